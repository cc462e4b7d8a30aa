package fork

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"forkgate/tests/need"
)

// Commands and attributes of a stream of btrfs send, fs/btrfs/send.h.
const (
	sendSubvol, sendSymlink, sendEnd                    = 1, 8, 21
	sendUUID, sendCtransid, sendIno, sendPath, sendLink = 1, 2, 3, 15, 17
)

// command is one of a stream: its length, its number and a checksum of it all, and then attributes.
func command(number uint16, attributes ...any) []byte {
	var data []byte
	for i := 0; i < len(attributes); i += 2 {
		var value []byte
		switch v := attributes[i+1].(type) {
		case string:
			value = []byte(v)
		case uint64:
			value = binary.LittleEndian.AppendUint64(nil, v)
		}
		data = binary.LittleEndian.AppendUint16(data, uint16(attributes[i].(int)))
		data = binary.LittleEndian.AppendUint16(data, uint16(len(value)))
		data = append(data, value...)
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
	head = binary.LittleEndian.AppendUint16(head, number)
	whole := append(append(head, 0, 0, 0, 0), data...)
	// The kernel's crc32c begins with 0 and is not inverted at its end.
	sum := ^crc32.Update(^uint32(0), crc32.MakeTable(crc32.Castagnoli), whole)
	binary.LittleEndian.PutUint32(whole[6:], sum)
	return whole
}

// linkingStream makes a subvolume, and beside it a link in the place of the one that is restored.
func linkingStream(t *testing.T, name, to string) *os.File {
	t.Helper()
	stream := append([]byte("btrfs-stream\x00"), 1, 0, 0, 0)
	for _, c := range [][]byte{
		command(sendSubvol, sendPath, "x", sendUUID, "0123456789abcdef", sendCtransid, uint64(7)),
		command(sendSymlink, sendPath, "../"+name, sendIno, uint64(300), sendLink, to),
		command(sendEnd),
	} {
		stream = append(stream, c...)
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(stream); err != nil {
		t.Fatal(err)
	}
	rewind(t, f)
	return f
}

// A stream that puts a link to production in the place of what is restored makes no copy of production for others to enter.
func TestStreamsThatLink(t *testing.T) {
	need.Tools(t, "btrfs")
	s := newStore(t, Options{})
	demo := createRepo(t, s, "demo", Source{})
	write(t, s.Dirs(demo).Data+"/secret", "production's")
	name := newGUID()
	stream := linkingStream(t, name, "../../"+demo.GUID+"/tree")

	// The control: that is what btrfs makes of it.
	there := filepath.Join(s.pool, "spare", "in")
	receive := exec.Command("btrfs", "receive", "--quiet", there)
	receive.Stdin = stream
	if err := os.Mkdir(there, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := receive.CombinedOutput(); err != nil {
		t.Fatalf("the stream is none: %v: %s", err, out)
	}
	if to, err := os.Readlink(filepath.Join(there, name)); err != nil || to != "../../"+demo.GUID+"/tree" {
		t.Errorf("the stream makes no link: %q, %v", to, err)
	}
	if err := errors.Join(destroy(filepath.Join(there, "x")), os.RemoveAll(there)); err != nil {
		t.Fatal(err)
	}

	rewind(t, stream)
	if made, err := s.CreateRepo(context.Background(), "back", Source{Stream: stream, Kept: name}, nil); !errors.Is(err, ErrSource) {
		t.Errorf("made is %s, %v", made.Ref(), err)
		if text, err := os.ReadFile(s.Dirs(made).Data + "/secret"); err == nil {
			t.Errorf("in it is %q", text)
		}
	}
}
