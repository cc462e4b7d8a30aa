package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// resume finds out where the chain ends, and says so where the file ends in half a line.
func (l *Log) resume() error {
	last, rest, err := l.tail()
	if err != nil {
		return err
	}
	l.head, l.torn = last, false
	if len(rest) > 0 {
		// What is there stays: it ends here, and the chain goes on behind it.
		if _, err := l.file.Write([]byte{'\n'}); err != nil {
			l.torn = true
			return fmt.Errorf("cannot go on with the audit log: %w", err)
		}
		l.size += int64(len(rest)) + 1
		l.journal.Warn("the audit log ends in half a line: the warden died, or the disk was full", "bytes", len(rest))
		if err := l.appendLocked(&Entry{Event: EventTorn, Torn: hash(rest), Reason: "what is before this line was cut when it was written"}); err != nil {
			return err
		}
	}
	return l.alarm()
}

// alarm notes in the chain itself that the log ends before what was signed, before the next anchor takes the place of that copy.
func (l *Log) alarm() error {
	anchor, err := readCopy(l.copy)
	if err != nil || anchor.Seq <= l.head.seq {
		return nil // there is none, or it is for Verify to say what is wrong with it
	}
	what := fmt.Sprintf("the log ends at line %d, and line %d was signed at %s: it was cut", l.head.seq, anchor.Seq, anchor.Time.Format(time.RFC3339))
	l.journal.Error(what)
	return l.appendLocked(&Entry{Event: EventAlarm, Reason: what})
}

// tail reads the end of the log: the newest line, and what there is behind it that is none.
func (l *Log) tail() (last head, rest []byte, err error) {
	info, err := l.file.Stat()
	if err != nil {
		return head{}, nil, fmt.Errorf("cannot read the audit log's end: %w", err)
	}
	line, rest, err := lastLine(l.file, info.Size())
	if err != nil {
		return head{}, nil, err
	}
	l.size = info.Size() - int64(len(rest))
	if line == nil && l.number > 1 { // it has just been begun
		if line, err = l.lastOf(l.number - 1); err != nil {
			return head{}, nil, err
		}
	}
	if line == nil {
		return head{}, rest, nil
	}
	return head{parse(line).Seq, hash(line)}, rest, nil
}

// lastOf reads the last line of a file that is whole.
func (l *Log) lastOf(number int) ([]byte, error) {
	f, err := os.Open(filepath.Join(l.dir, fileName(number)))
	if err != nil {
		return nil, fmt.Errorf("cannot read the audit log's end: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the audit log's end: %w", err)
	}
	line, _, err := lastLine(f, info.Size())
	if err == nil && line == nil {
		err = fmt.Errorf("cannot go on with the audit log: %s has no line", f.Name())
	}
	return line, err
}

// parse reads a line; what is none has number 0.
func parse(line []byte) (e Entry) {
	if json.Unmarshal(line, &e) != nil {
		return Entry{}
	}
	return e
}

// lastLine reads the newest whole line of a file, and what is behind it: half a line, or what a crash has put there.
func lastLine(f io.ReaderAt, size int64) (line, rest []byte, err error) {
	end := make([]byte, min(size, 2*maxLine))
	if _, err := f.ReadAt(end, size-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("cannot read the audit log's end: %w", err)
	}
	for whole := end; ; {
		cut := bytes.LastIndexByte(whole, '\n')
		if cut < 0 {
			return nil, end, nil
		}
		whole = whole[:cut]
		line := whole[bytes.LastIndexByte(whole, '\n')+1:]
		if parse(line).Seq > 0 {
			return line, end[cut+1:], nil
		}
	}
}
