package door

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"forkgate/gate"
)

// What one channel may send.
const (
	maxEnv        = 64       // env requests
	maxEnvBytes   = 32 << 10 // of names and values in all
	maxLocale     = 4 << 10  // of these for the session itself
	maxLocaleName = 32
)

// environment is what a client sent with env requests. All of it is evidence of who speaks; little of it reaches the
// session.
type environment struct {
	marks    [][]byte // NAME=VALUE, as sent
	session  [][]byte // those that the session gets
	size     int
	sizeKept int
	tooMuch  bool
}

// add takes one variable in and reports whether the session will have it.
func (e *environment) add(name, value []byte) bool {
	e.size += len(name) + len(value) + 1
	if e.tooMuch = e.tooMuch || len(e.marks) == maxEnv || e.size > maxEnvBytes; e.tooMuch {
		return false
	}
	pair := slices.Concat(name, []byte("="), value)
	e.marks = append(e.marks, pair)
	if !harmless(string(name)) || e.sizeKept+len(pair) > maxLocale {
		return false
	}
	e.sizeKept += len(pair)
	e.session = slices.DeleteFunc(e.session, func(other []byte) bool { return bytes.HasPrefix(other, pair[:len(name)+1]) })
	e.session = append(e.session, pair)
	return true
}

// check refuses what sent too much. Evidence that was dropped could be the mark of an agent.
func (e *environment) check() error {
	if !e.tooMuch {
		return nil
	}
	return &gate.Refusal{
		Reason: fmt.Sprintf("too many environment variables: at most %d, of %d KiB in all", maxEnv, maxEnvBytes>>10),
		Hint:   "look for SendEnv and SetEnv in your ssh_config",
	}
}

// harmless lists the variables that a client may set in a session: language, colours, the editor, and git's protocol version.
func harmless(name string) bool {
	if category, ok := strings.CutPrefix(name, "LC_"); ok {
		return len(name) <= maxLocaleName && strings.Trim(category, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
	}
	switch name {
	case "LANG", "LANGUAGE", "TZ", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "EDITOR", "VISUAL", "GIT_PROTOCOL":
		return true
	}
	return false
}
