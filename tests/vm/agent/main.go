// Command agent runs, in an emulated host, the commands that a test sends down a virtio port, one after the other. It belongs to
// package vm. It is root there, and trusts whoever holds the port's other end.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"forkgate/tests/vm/order"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "agent: which port?")
	} else if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
	}
}

func serve(path string) error {
	port, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer port.Close()
	in, out := json.NewDecoder(patient{port}), json.NewEncoder(port)
	for {
		var command order.Command
		if err := in.Decode(&command); err != nil {
			return err
		}
		if err := out.Encode(run(command)); err != nil {
			return err
		}
	}
}

// patient reads on where a port reads as at its end: while nobody has the other end open.
type patient struct{ port *os.File }

func (p patient) Read(b []byte) (int, error) {
	for {
		n, err := p.port.Read(b)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func run(command order.Command) order.Result {
	if len(command.Argv) == 0 {
		return order.Result{Code: 127, Stderr: []byte("agent: an empty command\n")}
	}
	c := exec.Command(command.Argv[0], command.Argv[1:]...)
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "LANG=C.UTF-8"}
	c.Dir = "/root"
	c.Stdin = bytes.NewReader(command.Stdin)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	c.WaitDelay = time.Second // what it leaves running may hold its output
	err := c.Run()
	r := order.Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		r.Code = exit.ExitCode()
	case err != nil:
		r.Code, r.Stderr = 127, fmt.Appendf(r.Stderr, "agent: %v\n", err)
	}
	return r
}
