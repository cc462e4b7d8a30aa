package door

import (
	"bytes"
	"testing"
	"time"
)

// kexPacket is a packet that is not encrypted yet.
func kexPacket(kind byte) []byte { return append([]byte{0, 0, 0, 12, 10, kind}, make([]byte, 10)...) }

// The end of a key exchange goes in one piece; what comes before and after it by itself.
func TestBundle(t *testing.T) {
	t.Parallel()
	b := bundle{wait: time.Hour}
	never := func(p []byte) { t.Errorf("%x is sent late", p) }
	for _, early := range [][]byte{[]byte("SSH-2.0-x\r\n"), kexPacket(20)} {
		if got := b.take(early, never); !bytes.Equal(got, early) {
			t.Errorf("%x is held", early)
		}
	}
	reply, keys, extensions := kexPacket(msgKexReply), kexPacket(msgNewKeys), []byte("encrypted")
	if got := append(b.take(reply, never), b.take(keys, never)...); len(got) > 0 {
		t.Errorf("%x is not held", got)
	}
	if got := b.take(extensions, never); !bytes.Equal(got, bytes.Join([][]byte{reply, keys, extensions}, nil)) {
		t.Errorf("together: %x", got)
	}
	if got := b.take(kexPacket(msgKexReply), never); len(got) == 0 {
		t.Error("something is held after the first key exchange")
	}
}

// Who gets no EXT_INFO waits no longer than it takes to see that.
func TestBundleWithoutExtensions(t *testing.T) {
	t.Parallel()
	var b bundle
	sent := make(chan []byte, 1)
	send := func(p []byte) { sent <- p }
	reply, keys := kexPacket(msgKexReply), kexPacket(msgNewKeys)
	if got := append(b.take(reply, send), b.take(keys, send)...); len(got) > 0 {
		t.Errorf("%x is not held", got)
	}
	if got := <-sent; !bytes.Equal(got, append(reply, keys...)) {
		t.Errorf("late: %x", got)
	}
	if got := b.take([]byte("encrypted"), send); string(got) != "encrypted" {
		t.Errorf("after that: %x", got)
	}
}
