package door

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/ssh"
)

// pieces are what a client would get, write by write.
type pieces [][]byte

func (p *pieces) Write(b []byte) (int, error) {
	*p = append(*p, bytes.Clone(b))
	return len(b), nil
}

// The beginning of a packet goes with its rest; under a cipher whose packets may end there it does not wait for one.
func TestJoint(t *testing.T) {
	t.Parallel()
	begin, rest := bytes.Repeat([]byte{1}, 4096), bytes.Repeat([]byte{2}, 28712)
	for cipher, held := range map[string]bool{
		ssh.CipherAES128GCM: true, ssh.CipherAES256GCM: true, ssh.CipherAES128CTR: false, "": false,
	} {
		var sent pieces
		var j joint
		j.agreed(cipher)
		for _, piece := range [][]byte{[]byte("short"), begin, rest, begin, []byte("end")} {
			before := len(sent)
			if n, err := j.write(&sent, piece); n != len(piece) || err != nil {
				t.Errorf("%s: %d of %d, %v", cipher, n, len(piece), err)
			}
			if waits := len(sent) == before; waits != (held && len(piece) == len(begin)) {
				t.Errorf("%s: of %d bytes it waits: %v", cipher, len(piece), waits)
			}
		}
		if got, want := bytes.Join(sent, nil), bytes.Join([][]byte{[]byte("short"), begin, rest, begin, []byte("end")}, nil); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes came, or others than the %d", cipher, len(got), len(want))
		}
	}
}
