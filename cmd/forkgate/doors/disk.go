package doors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// disk is what a walk over all of the host's files has found.
type disk struct {
	setuid  []string // setuid of root's, or setgid of a group that amounts to root
	capable []string // with capabilities that amount to root
	err     error    // what could not be looked at
}

// walk looks for them once in the life of a Host. Left out are mounts where neither is in force, a user's among them, and directories that root alone enters,
// where images of containers lie.
func (h *Host) walk(ctx context.Context) disk {
	h.once.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, thorough)
		defer cancel()
		walked := make(chan disk, 1)
		go func() { // a file system that does not answer keeps it for as long as this process lives
			w := walker{host: h, void: h.void(), gids: h.gids(mighty)}
			walked <- w.walk(ctx)
		}()
		select {
		case h.disk = <-walked:
		case <-ctx.Done():
			h.disk.err = fmt.Errorf("not all files can be looked at within %v: %w", thorough, context.Cause(ctx))
		}
	})
	return h.disk
}

// void are the mounts where no file is setuid or has capabilities (mount(8), nosuid), and those of the kernel's own.
func (h *Host) void() map[string]bool {
	void := map[string]bool{"proc": true, "sys": true}
	text, _, _ := h.read("proc/self/mountinfo") // without it more is looked at
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 6 {
			continue
		}
		at := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(strings.TrimPrefix(f[4], "/"))
		_, kind, _ := strings.Cut(line, " - ")
		kernel := strings.HasPrefix(kind, "proc ") || strings.HasPrefix(kind, "sysfs ") || strings.HasPrefix(kind, "cgroup")
		void[at] = kernel || slices.Contains(strings.Split(f[5], ","), "nosuid") // the last one is on top
	}
	return void
}

// walker walks with as many goroutines as are quick: a warm cache keeps two processors busy.
type walker struct {
	host  *Host
	void  map[string]bool
	gids  []int
	files int
	mu    sync.Mutex
	found disk
}

func (w *walker) walk(ctx context.Context) disk {
	dirs := make(chan string)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for dir := range dirs {
				w.below(ctx, dir, nil)
			}
		})
	}
	give := func(dir string) { dirs <- dir }
	w.below(ctx, ".", func(dir string) { w.below(ctx, dir, give) })
	for _, dir := range w.beneath() {
		w.below(ctx, dir, give)
	}
	close(dirs)
	all.Wait()
	if err := ctx.Err(); err != nil {
		w.fail(err)
	}
	if w.files == 0 {
		w.fail(errors.New("there is no file"))
	}
	slices.Sort(w.found.setuid)
	slices.Sort(w.found.capable)
	return w.found
}

// beneath are mounts below those that are left out where a file may be setuid all the same.
func (w *walker) beneath() (dirs []string) {
	for at, void := range w.void {
		for above := path.Dir(at); !void && above != "."; above = path.Dir(above) {
			info, err := fs.Lstat(w.host.Files, at)
			if w.void[above] && err == nil && info.IsDir() && !rootAlone(info) && w.host.reachable(at) {
				dirs = append(dirs, at)
				break
			}
		}
	}
	return dirs
}

// reachable reports whether somebody beside root may enter all directories above a name.
func (h *Host) reachable(name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if info, err := fs.Stat(h.Files, dir); err == nil && rootAlone(info) {
			return false
		}
	}
	return true
}

func (w *walker) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !errors.Is(err, fs.ErrNotExist) && w.found.err == nil { // files come and go
		w.found.err = err
	}
}

// below looks at a directory, and gives those in it to somebody, or looks at them itself.
func (w *walker) below(ctx context.Context, dir string, give func(string)) {
	if ctx.Err() != nil {
		return
	}
	entries, err := fs.ReadDir(w.host.Files, dir)
	if err != nil {
		w.fail(err)
	}
	if give == nil {
		give = func(dir string) { w.below(ctx, dir, nil) }
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !e.IsDir() && !e.Type().IsRegular() || e.IsDir() && w.void[name] {
			continue
		}
		info, err := e.Info()
		switch {
		case err != nil:
			w.fail(err)
		case !e.IsDir():
			w.file(name, info)
		case !rootAlone(info):
			give(name)
		}
	}
}

// rootAlone reports whether nobody beside root and its group enters a directory.
func rootAlone(info fs.FileInfo) bool {
	uid, gid := owner(info)
	return uid == 0 && info.Mode()&0o001 == 0 && (gid == 0 || info.Mode()&0o010 == 0)
}

func (w *walker) file(name string, info fs.FileInfo) {
	uid, gid := owner(info)
	setuid := info.Mode()&fs.ModeSetuid != 0 && uid == 0 || info.Mode()&fs.ModeSetgid != 0 && slices.Contains(w.gids, gid)
	capable := false
	if info.Mode()&0o111 != 0 || uid != 0 { // what nobody can execute gives nothing; whose it is can have it be so
		text, err := w.host.Attribute(name, "security.capability")
		if err != nil {
			w.fail(err)
		}
		capable = isRootly(text)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files++
	if setuid {
		w.found.setuid = append(w.found.setuid, name)
	}
	if capable {
		w.found.capable = append(w.found.capable, name)
	}
}
