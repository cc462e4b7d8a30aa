package main

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// As a login shell forkgate runs forkgate session, and nothing else.
func TestAsShell(t *testing.T) {
	for _, test := range []struct{ argv, want []string }{
		{[]string{"forkgate", "policy", "check"}, []string{"policy", "check"}},
		{[]string{"forkgate"}, []string{}},
		{[]string{"forkgate", "-c", "/usr/bin/forkgate session --repo demo+x"}, []string{"session", "--repo", "demo+x"}},
		{[]string{"-forkgate", "-c", "forkgate session"}, []string{"session"}},
		{[]string{"-forkgate"}, nil},
		{[]string{"forkgate", "-c"}, nil},
		{[]string{"forkgate", "-c", ""}, nil},
		{[]string{"forkgate", "-c", "id"}, nil},
		{[]string{"forkgate", "-c", "forkgate"}, nil},
		{[]string{"forkgate", "-c", "forkgate policy check"}, nil},
		{[]string{"forkgate", "-c", "/bin/sh session"}, nil},
		{[]string{"forkgate", "-c", "forkgate session", "x"}, nil},
		{[]string{"-forkgate", "policy", "check"}, nil},
	} {
		got, err := asShell(test.argv)
		if (err != nil) != (test.want == nil) || !slices.Equal(got, test.want) {
			t.Errorf("%q is %q, %v", test.argv, got, err)
		}
	}
}

// A signal that the command died of is what forkgate session dies of, whatever Go would do with it.
func TestDie(t *testing.T) {
	if name := os.Getenv("DIE_OF"); name != "" {
		die(name)
		os.Exit(7)
	}
	for _, test := range []struct {
		name   string
		signal syscall.Signal // 0: none
	}{
		{"TERM", syscall.SIGTERM}, {"KILL", syscall.SIGKILL}, {"SEGV", syscall.SIGSEGV}, {"PIPE", syscall.SIGPIPE}, {"QUIT", syscall.SIGQUIT},
		{"USR1", syscall.SIGUSR1}, {"ABRT", syscall.SIGABRT}, {"NONSENSE", 0},
	} {
		c := exec.Command(os.Args[0], "-test.run=^TestDie$")
		c.Env = append(os.Environ(), "DIE_OF="+test.name)
		var exit *exec.ExitError
		out, err := c.CombinedOutput()
		if !errors.As(err, &exit) {
			t.Fatalf("%s: %v", test.name, err)
		}
		status := exit.Sys().(syscall.WaitStatus)
		if test.signal == 0 && status.ExitStatus() != 7 || test.signal != 0 && (!status.Signaled() || status.Signal() != test.signal || strings.Contains(string(out), "goroutine")) {
			t.Errorf("%s: %v, %s", test.name, err, out)
		}
	}
}
