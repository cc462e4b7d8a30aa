package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"forkgate/nsjail/scrub/leaks"
	"forkgate/nsjail/wire"
)

// maxFile is how large a file may be whose values are replaced. One that is larger holds data, and no settings.
const maxFile = 16 << 20

// Scrubber works in the directories of one copy.
type Scrubber struct {
	places []place  // data first
	env    []string // of programs
	said   io.Writer
	made   map[string]string // values that were made up, by name: the same name gets the same one in all files
}

// place is a directory that rules speak of.
type place struct {
	name  string
	root  *os.Root                       // nil: there is none
	globs func(rule wire.Scrub) []string // what of it a rule is about
}

// Open opens the copy's directories. Programs that rules run get env, and print to said.
func Open(where wire.Scrubbing, env []string, said io.Writer) (*Scrubber, error) {
	s := &Scrubber{env: env, said: said, made: map[string]string{}}
	for _, p := range []struct {
		name, dir string
		globs     func(wire.Scrub) []string
	}{
		{"data", where.Data, func(rule wire.Scrub) []string { return rule.Files }},
		{"volumes", where.Volumes, func(rule wire.Scrub) []string { return rule.Volumes }},
		{"images", where.Images, func(rule wire.Scrub) []string { return rule.Images }},
	} {
		root, err := os.OpenRoot(p.dir)
		if err != nil && (p.name == "data" || !errors.Is(err, fs.ErrNotExist)) {
			return nil, errors.Join(err, s.Close())
		}
		s.places = append(s.places, place{p.name, root, p.globs})
	}
	return s, nil
}

// Close closes them.
func (s *Scrubber) Close() (err error) {
	for _, p := range s.places {
		if p.root != nil {
			err = errors.Join(err, p.root.Close())
		}
	}
	return err
}

// Do carries out the rules one after the other, and says what it did up to the first that failed.
func (s *Scrubber) Do(ctx context.Context, rules []wire.Scrub) (done wire.Scrubbed) {
	for _, rule := range rules {
		began := time.Now()
		step := wire.ScrubStep{Name: rule.Name}
		err := s.rule(ctx, rule, &step)
		step.Took = time.Since(began)
		done.Steps = append(done.Steps, step)
		if err != nil {
			done.Error = fmt.Sprintf("scrub %q: %v", rule.Name, err)
			return done
		}
	}
	return done
}

func (s *Scrubber) rule(ctx context.Context, rule wire.Scrub, step *wire.ScrubStep) error {
	switch {
	case len(rule.Run) > 0:
		return s.run(ctx, rule.Run)
	case rule.Leaks != "":
		return s.search(ctx, rule, step)
	case len(rule.Read) > 0:
		return s.read(ctx, rule.Read, step)
	}
	for _, p := range s.places {
		names, err := p.find(p.globs(rule))
		if err != nil {
			return err
		}
		for _, name := range names {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			changed, err := s.file(p.root, rule, name)
			if err != nil {
				return err
			}
			if changed {
				step.Files++
			}
		}
	}
	return nil
}

// find lists what matches, without following links.
func (p place) find(globs []string) ([]string, error) {
	if p.root == nil {
		return nil, nil
	}
	found := map[string]bool{}
	for _, glob := range globs {
		err := doublestar.GlobWalk(p.root.FS(), glob, func(name string, _ fs.DirEntry) error {
			found[name] = true
			return nil
		}, doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
		if err != nil {
			return nil, fmt.Errorf("cannot look for %q: %w", glob, err)
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// file does to one file, or to what a link leads to, what the rule says.
func (s *Scrubber) file(root *os.Root, rule wire.Scrub, name string) (changed bool, err error) {
	if rule.Remove {
		return true, root.RemoveAll(name)
	}
	info, err := root.Stat(name)
	switch {
	case err != nil && isLink(root, name): // to nothing, or to what is not in here
		return false, nil
	case err != nil:
		return false, err
	case info.IsDir():
		return false, nil
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%q is neither a file nor a directory", name)
	case rule.Empty:
		return info.Size() > 0, truncate(root, name, nil)
	}
	return s.replace(root, rule, name, info.Size())
}

func isLink(root *os.Root, name string) bool {
	info, err := root.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0 || errors.Is(err, fs.ErrNotExist) // removed with what it stood for
}

// replace gives the values of names others.
func (s *Scrubber) replace(root *os.Root, rule wire.Scrub, name string, size int64) (changed bool, err error) {
	if size > maxFile {
		return false, fmt.Errorf("%q has %d bytes, more than a file with settings has", name, size)
	}
	text, err := root.ReadFile(name)
	if err != nil {
		return false, err
	}
	edited, n, err := formatOf(name)(text, func(key string) (string, bool) { return s.value(rule, key) })
	if err != nil {
		return false, fmt.Errorf("%q: %w", name, err)
	}
	if n == 0 {
		return false, nil
	}
	return true, truncate(root, name, edited)
}

// truncate writes a file anew in its place: it keeps its owner, its mode, and its other names.
func truncate(root *os.Root, name string, text []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// value is what a name gets, if a rule speaks of it.
func (s *Scrubber) value(rule wire.Scrub, key string) (string, bool) {
	for _, pattern := range slices.Sorted(maps.Keys(rule.Set)) {
		if ok, _ := path.Match(pattern, key); ok {
			return rule.Set[pattern], true
		}
	}
	for _, pattern := range rule.Generate {
		if ok, _ := path.Match(pattern, key); ok {
			if s.made[key] == "" {
				s.made[key] = leaks.Made()
			}
			return s.made[key], true
		}
	}
	return "", false
}

// run runs a program in the data.
func (s *Scrubber) run(ctx context.Context, argv []string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	last := &lastLine{to: s.said}
	c.Dir, c.Env, c.Stdout, c.Stderr = s.places[0].root.Name(), s.env, last, last
	c.WaitDelay = time.Second // what it leaves behind keeps nobody waiting
	if err := c.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("%s: %w%s", argv[0], err, last)
	}
	return nil
}

// lastLine passes on what a program prints, and keeps the last of it.
type lastLine struct {
	to   io.Writer
	last []byte
}

func (l *lastLine) Write(p []byte) (int, error) {
	const most = 400
	l.last = append(l.last, p...)
	if n := len(l.last); n > 2*most {
		l.last = append([]byte(nil), l.last[n-most:]...)
	}
	return l.to.Write(p)
}

// String is that line, behind a colon; nothing, if there is none.
func (l *lastLine) String() string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(l.last), "\ufffd")), "\n")
	if line := lines[len(lines)-1]; line != "" {
		return fmt.Sprintf(": %.400q", line)
	}
	return ""
}
