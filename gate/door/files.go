package door

import (
	"errors"
	"io"
	"sync"
	"time"

	"forkgate/gate"
	"forkgate/gate/sftp"
	"forkgate/gate/tape"
)

// files reads along in a session of op sftp. What is done to files goes on the session's tape, where there is one, before the client has
// the answer that ends it, and to the warden's record.
type files struct {
	*recorder
	decoder *sftp.Decoder
	told    *told
	once    sync.Once
	noted   sync.Once
}

// unrecordedSums is up to which size the record has the sum of a file that nobody wants recorded: with larger ones it would take as long as
// all the rest of what the gate does with them.
const unrecordedSums = 64 << 20

func newFiles(r *recorder, told *told) *files {
	f := &files{recorder: r, told: told}
	sums := uint64(unrecordedSums)
	if r.tape != nil {
		sums = sftp.Everything
	}
	f.decoder = sftp.New(f.operation, sums)
	return f
}

// operation puts one on the tape. Where it is not there, and has to be, the decoder tells of no more, and its taps let nothing through.
func (f *files) operation(op gate.FileOperation) error {
	f.told.add(op)
	if f.tape == nil && f.required {
		return errTape // which has ended the session
	}
	if f.tape == nil {
		return nil
	}
	err := f.tape.File(tape.File{
		Did: op.Did, Path: gate.Exact(string(op.Path)), To: gate.Exact(string(op.To)), Change: op.Change,
		Size: op.Size, SHA256: op.SHA256, Partial: op.Partial, Outcome: op.Outcome, Began: op.Began.UTC(),
	})
	if f.outcome(err) {
		return nil
	}
	return err
}

// requests and answers are the ways to the server and to the client, with the decoder in front.
func (f *files) requests(to io.Writer) io.Writer { return paced{followed{f, f.decoder.Requests(), to}} }
func (f *files) answers(to io.Writer) io.Writer  { return followed{f, f.decoder.Answers(), to} }

// ahead is how many requests the server may have that it has not answered: as many as OpenSSH's client leaves it. OpenSSH's server takes in whatever
// comes before it does any of it, and moves all that waits for each that it does. PuTTY waits for no answers: thousands lie there otherwise.
const ahead = 64

// paced writes, and returns when the server has caught up.
type paced struct{ followed }

func (p paced) Write(b []byte) (int, error) {
	n, err := p.followed.Write(b)
	p.decoder.Await(ahead)
	return n, err
}

type followed struct {
	*files
	tap, to io.Writer
}

func (w followed) Write(p []byte) (int, error) {
	if _, err := w.tap.Write(p); err != nil && !w.goOn(err) {
		return 0, err
	}
	return w.to.Write(p)
}

// goOn says whether bytes are passed on of which the decoder cannot tell what they do: not in a session that has to be recorded, and not
// to a server whose answers are over, which may yet do what it reads.
func (f *files) goOn(err error) bool {
	if errors.Is(err, sftp.ErrOver) {
		return false
	}
	f.once.Do(func() {
		if !errors.Is(err, sftp.ErrMalformed) && !errors.Is(err, sftp.ErrBounds) {
			return // the tape's, which are told of where it is closed
		}
		f.told.blind(err)
		if f.tape != nil {
			_ = f.tape.File(tape.File{Did: tape.Unfollowed, Outcome: gate.Printable(err.Error()), Began: time.Now().UTC()})
		}
	})
	return f.outcome(err)
}

// close tells of what is unfinished, and returns once the warden knows all there is, or cannot be told.
func (f *files) close() {
	f.noted.Do(func() {
		_ = f.decoder.Close() // whose errors are the tape's, which keeps them
		f.told.finish()
	})
}
