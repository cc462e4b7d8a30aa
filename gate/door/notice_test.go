package door_test

import (
	"bufio"
	"testing"
)

// What the warden has to say reaches the caller beside the command's own output, on one line whatever is in it; and a session that has
// ended hears nothing, nor does it end the connection.
func TestNotice(t *testing.T) {
	p := open(t)
	c := p.dial("demo")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	stdout, _ := s.StdoutPipe()
	stderr, _ := s.StderrPipe()
	if err := s.Start("echo up; exec sleep 100"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	p.warden.Say("it ends\nnow")
	if line, err := bufio.NewReader(stderr).ReadString('\n'); line != "forkgate: it ends\\nnow\n" {
		t.Errorf("the caller reads %q, %v", line, err)
	}
	s.Close()
	p.warden.Say("to nobody")
	if _, err := c.NewSession(); err != nil {
		t.Errorf("the connection is gone: %v", err)
	}
}
