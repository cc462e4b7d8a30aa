package inside

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// present knows who has sessions here, by home, and since when those have none who had.
type present struct {
	mu    sync.Mutex
	homes map[string]*presence
}

type presence struct {
	live int
	left time.Time
}

// visit is one session of somebody's, in the eyes of present.
type visit struct {
	*present
	home string
	once sync.Once
}

// arrive counts one more session.
func (p *present) arrive(home string) *visit {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.homes == nil {
		p.homes = map[string]*presence{}
	}
	if p.homes[home] == nil {
		p.homes[home] = &presence{}
	}
	p.homes[home].live++
	return &visit{present: p, home: home}
}

// over counts it out.
func (v *visit) over() {
	v.once.Do(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		one := v.homes[v.home]
		one.live--
		one.left = time.Now()
	})
}

// away is for how long this one's owner has had no session here: who has come back still uses what an earlier session left behind.
func (v *visit) away() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if one := v.homes[v.home]; one.live == 0 {
		return time.Since(one.left)
	}
	return 0
}

// linger tells the session that its door has gone, as a terminal does that is hung up, and returns when nothing of it is left, or its
// owner has been away for the given time.
func (s *session) linger(v *visit, most time.Duration) {
	s.hangUp()
	for tick := min(most, time.Second); v.away() < most && s.lives(); {
		time.Sleep(tick)
	}
}

// hangUp closes the terminal, of which the kernel tells those who run on it; without one the command is told.
func (s *session) hangUp() {
	if s.master != nil {
		s.master.Close()
		s.master = nil
		return
	}
	if command := s.command.Load(); command != 0 {
		_ = unix.Kill(-int(command), unix.SIGHUP)
	}
}

// lives reports whether a process is left beside the session's pid 1.
func (s *session) lives() bool {
	fd, err := unix.Openat(int(s.group.Fd()), "cgroup.procs", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	procs := os.NewFile(uintptr(fd), "cgroup.procs")
	defer procs.Close()
	text, err := io.ReadAll(io.LimitReader(procs, 64))
	return err == nil && bytes.Count(text, []byte("\n")) > 1
}
