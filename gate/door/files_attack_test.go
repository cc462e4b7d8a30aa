package door_test

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/door/doortest"
	"forkgate/gate/tape"
	"forkgate/tests/need"
)

// sftpChannel is a client that says what it likes.
type sftpChannel struct {
	ssh.Channel
	said <-chan *ssh.Request
}

func speakSFTP(t *testing.T, c *ssh.Client) *sftpChannel {
	t.Helper()
	channel, said, err := c.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := channel.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"})); !ok || err != nil {
		t.Fatal(ok, err)
	}
	f := &sftpChannel{channel, said}
	if kind, err := f.ask(1, uint32(3)); err != nil || kind != 2 {
		t.Fatalf("type %d answers, %v", kind, err)
	}
	return f
}

// ask sends a packet and returns the type of the next answer.
func (f *sftpChannel) ask(kind byte, fields ...any) (answer byte, err error) {
	if _, err := f.Write(sftpPacket(kind, fields...)); err != nil {
		return 0, err
	}
	return f.next()
}

func (f *sftpChannel) next() (answer byte, err error) {
	var length uint32
	if err := binary.Read(f, binary.BigEndian, &length); err != nil {
		return 0, err
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(f, body); err != nil {
		return 0, err
	}
	return body[0], nil
}

// exit is the code with which it ends.
func (f *sftpChannel) exit() (code int) {
	for r := range f.said {
		if r.Type == "exit-status" {
			code = int(binary.BigEndian.Uint32(r.Payload))
		}
	}
	return code
}

func sftpPacket(kind byte, fields ...any) []byte {
	body := []byte{kind}
	for _, field := range fields {
		switch field := field.(type) {
		case uint32:
			body = binary.BigEndian.AppendUint32(body, field)
		case string:
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(field))), field...)
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// guessesAHandle writes to a file before the server has said its handle: OpenSSH's are numbers from 0.
func guessesAHandle(f *sftpChannel, dir string) error {
	open := sftpPacket(3, uint32(1), filepath.Join(dir, "unseen"), uint32(0x2|0x8), uint32(0))
	guess := sftpPacket(6, uint32(2), "\x00\x00\x00\x00", uint32(0), uint32(0), "secret")
	if _, err := f.Write(append(open, guess...)); err != nil {
		return err
	}
	for range 2 {
		if _, err := f.next(); err != nil {
			return err
		}
	}
	_, err := f.ask(4, uint32(3), "\x00\x00\x00\x00")
	return err
}

// opensWithoutEnd opens a file two million times, or as often as the server does that.
func opensWithoutEnd(f *sftpChannel, _ string) error {
	for i := range uint32(2_000_000) {
		kind, err := f.ask(3, i, "/dev/null", uint32(1), uint32(0))
		if err != nil || kind != 102 {
			return err
		}
	}
	return nil
}

// Who speaks so that nobody can tell what he does is ended where that has to be recorded, before the server has what he says, and nobody
// else is. Where it is not recorded, or need not be, he goes on, and the record says that it knows no more: the control.
func TestWhoCannotBeFollowed(t *testing.T) {
	need.Tools(t, doortest.SFTPServer)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 4096, Max: 4096}); err != nil { // for the server
		t.Fatal(err)
	}
	attacks := map[string]func(f *sftpChannel, dir string) error{"a guessed handle": guessesAHandle, "two million handles": opensWithoutEnd}
	for name, attack := range attacks {
		for _, word := range []string{"required", "best-effort", ""} {
			t.Run(name+" "+word, func(t *testing.T) {
				p, cast := recordedAs(t, word, 1<<20)
				c := p.dial("demo")
				other, dir := speakSFTP(t, c), t.TempDir()
				err := attack(speakSFTP(t, c), dir)
				if ended := err != nil; ended != (word == "required") {
					t.Errorf("it comes to %v", err)
				}
				if text, _ := os.ReadFile(filepath.Join(dir, "unseen")); (len(text) > 0) != (word != "required" && name == "a guessed handle") {
					t.Errorf("the server has written %q", text)
				}
				if kind, err := other.ask(14, uint32(1), filepath.Join(dir, "made"), uint32(0)); err != nil || kind != 101 {
					t.Errorf("somebody else's session: type %d, %v", kind, err)
				}
				c.Close()
				need.Eventually(t, "the warden is told", func() bool {
					done, blind := toldTo(p.warden)
					return len(blind) == 1 && slices.ContainsFunc(done, func(op gate.FileOperation) bool { return op.Did == "mkdir" })
				})
				if word != "" {
					if on, _ := onTape(t, cast); !slices.ContainsFunc(on, func(f tape.File) bool { return f.Did == tape.Unfollowed }) {
						t.Errorf("the tape does not say so: %d operations", len(on))
					}
				}
			})
		}
	}
}

// A session whose tape is full is ended where it has to be recorded, and the client does not have the answer. Another one goes on.
func TestATapeOfFilesIsFull(t *testing.T) {
	need.Tools(t, doortest.SFTPServer)
	for _, word := range []string{"required", "best-effort"} {
		p, _ := recordedAs(t, word, 1000)
		f, dir := speakSFTP(t, p.dial("demo")), t.TempDir()
		var err error
		n := 0
		for ; err == nil && n < 50; n++ {
			_, err = f.ask(14, uint32(n), filepath.Join(dir, strconv.Itoa(n)), uint32(0))
		}
		if ended := err != nil; ended != (word == "required") {
			t.Errorf("%s: %v after %d", word, err, n)
		}
		if word == "required" {
			if code := f.exit(); code != gate.ExitFailed {
				t.Errorf("it ends with %d", code)
			}
		}
	}
}
