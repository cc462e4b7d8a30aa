package door_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Whatever the length of a packet, and whatever it is encrypted with, it is sent before anything comes after it.
func TestNoPacketIsHeld(t *testing.T) {
	t.Parallel()
	p := open(t)
	for _, config := range []ssh.Config{
		{Ciphers: []string{ssh.CipherAES128GCM}},
		{Ciphers: []string{ssh.CipherAES256GCM}},
		{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.HMACSHA256}},
		{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.HMACSHA256ETM}},
	} {
		t.Run(fmt.Sprint(config.Ciphers, config.MACs), func(t *testing.T) {
			c, err := p.come(config, nil, p.key)
			if err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(time.Minute, func() { c.Close() })
			defer late.Stop()
			echo(t, c)
		})
	}
}

// echo has cat send back one length after the other: a packet's own bytes are up to 64 more, and the library's buffer is of 4096.
func echo(t *testing.T, c *ssh.Client) {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, notIn := s.StdinPipe()
	out, notOut := s.StdoutPipe()
	if err := errors.Join(notIn, notOut, s.Start("cat")); err != nil {
		t.Fatal(err)
	}
	sent, back := make([]byte, 4200), make([]byte, 4200)
	_, _ = rand.Read(sent)
	for n := 3990; n <= len(sent); n++ {
		if _, err := in.Write(sent[:n]); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if _, err := io.ReadFull(out, back[:n]); err != nil || !bytes.Equal(back[:n], sent[:n]) {
			t.Fatalf("%d bytes did not come back: %v", n, err)
		}
	}
}
