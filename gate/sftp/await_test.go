package sftp

import (
	"strings"
	"testing"
	"testing/synctest"

	"forkgate/gate"
)

// Who waits for answers waits until so few requests are without one, and no longer than anything is known of them.
func TestAwait(t *testing.T) {
	data := strings.Repeat("x", 1000)
	for what, end := range map[string]func(*Decoder){
		"answered": func(d *Decoder) { _, _ = d.Answers().Write(status(2, 0).bytes) },
		"nonsense": func(d *Decoder) { _, _ = d.Answers().Write([]byte("\xff\xff\xff\xff")) },
		"over":     func(d *Decoder) { _ = d.Close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			d := New(func(gate.FileOperation) error { return nil }, Everything)
			say(t, d, opened(2)...)
			d.Await(0) // all is answered
			say(t, d, client(typeWrite, 2, "h", uint64(0), data), client(typeWrite, 3, "h", uint64(1000), data))
			back := make(chan struct{})
			go func() { d.Await(1); close(back) }()
			synctest.Wait()
			select {
			case <-back:
				t.Errorf("%s: both wait, and nobody waits for them", what)
			default:
			}
			end(d)
			<-back
		})
	}
}

func say(t *testing.T, d *Decoder, all ...piece) {
	t.Helper()
	for _, p := range all {
		to := d.Answers()
		if p.client {
			to = d.Requests()
		}
		if _, err := to.Write(p.bytes); err != nil {
			t.Fatal(err)
		}
	}
}
