package door

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"

	"forkgate/gate"
	"forkgate/gate/sftp"
)

// request is SFTP's for the real path of nothing: its length, 16, a number, and an empty string.
func request(id uint32) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 9, 16}, id), 0, 0, 0, 0)
}

// A server of files gets as many requests as it may have without an answer; who writes more waits for one.
func TestAServerIsNotGivenMoreThanItDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &files{recorder: &recorder{}, decoder: sftp.New(func(gate.FileOperation) error { return nil }, 0)}
		var served, heard bytes.Buffer
		in, out := f.requests(&served), f.answers(&heard)
		write := func(p []byte) {
			if n, err := in.Write(p); n != len(p) || err != nil {
				t.Errorf("%d of %d: %v", n, len(p), err)
			}
		}
		write([]byte{0, 0, 0, 5, 1, 0, 0, 0, 3}) // the client's version
		_, _ = out.Write([]byte{0, 0, 0, 5, 2, 0, 0, 0, 3})
		for id := range uint32(ahead) {
			write(request(id))
		}
		done := false
		go func() { write(request(ahead)); done = true }()
		synctest.Wait()
		if done {
			t.Error("one more than it may have is given, and nobody waits")
		}
		// A status: its length, 101, the number, that all is well, and two empty strings.
		_, _ = out.Write([]byte{0, 0, 0, 17, 101, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
		synctest.Wait()
		if !done {
			t.Error("it has answered one, and is not given another")
		}
		_ = f.decoder.Close()
	})
}
