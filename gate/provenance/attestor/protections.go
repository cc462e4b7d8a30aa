package attestor

import (
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"forkgate/gate/provenance"
)

// settings watches over kernel settings. What was open once may have been used, so that it counts as open from then on.
type settings struct {
	sys    fs.FS // /proc/sys
	mu     sync.Mutex
	broken map[provenance.Protection]bool
}

// settingsOf says which setting must hold.
var settingsOf = []struct {
	protection provenance.Protection
	file       string
	holds      func(value int) bool
}{
	{provenance.NoTIOCSTI, "dev/tty/legacy_tiocsti", func(v int) bool { return v == 0 }},
	{provenance.NoPtrace, "kernel/yama/ptrace_scope", func(v int) bool { return v >= 1 }},
}

// held lists what holds now and has held whenever it was asked for. A setting that the kernel does not have protects nobody.
func (s *settings) held() (held []provenance.Protection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = map[provenance.Protection]bool{}
	}
	for _, setting := range settingsOf {
		text, err := fs.ReadFile(s.sys, setting.file)
		value, malformed := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || malformed != nil || !setting.holds(value) {
			s.broken[setting.protection] = true
		}
		if !s.broken[setting.protection] {
			held = append(held, setting.protection)
		}
	}
	return held
}
