package scrub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"forkgate/nsjail/wire"
)

// maxFile is how large a file may be whose values are replaced. One that is larger holds data, and no settings.
const maxFile = 16 << 20

// Scrubber works in the directories of one copy.
type Scrubber struct {
	data, volumes *os.Root // volumes is nil where there are none
	env           []string // of programs
	said          io.Writer
	made          map[string]string // values that were made up, by name: the same name gets the same one in all files
}

// Open opens the copy's directories. Programs that rules run get env, and print to said.
func Open(data, volumes string, env []string, said io.Writer) (*Scrubber, error) {
	s := &Scrubber{env: env, said: said, made: map[string]string{}}
	var err error
	if s.data, err = os.OpenRoot(data); err != nil {
		return nil, err
	}
	if s.volumes, err = os.OpenRoot(volumes); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, s.data.Close())
	}
	return s, nil
}

// Close closes them.
func (s *Scrubber) Close() error {
	err := s.data.Close()
	if s.volumes != nil {
		err = errors.Join(err, s.volumes.Close())
	}
	return err
}

// Do carries out the rules one after the other, and says what it did up to the first that failed.
func (s *Scrubber) Do(ctx context.Context, rules []wire.Scrub) (done wire.Scrubbed) {
	for _, rule := range rules {
		began := time.Now()
		files, err := s.rule(ctx, rule)
		done.Steps = append(done.Steps, wire.ScrubStep{Name: rule.Name, Files: files, Took: time.Since(began)})
		if err != nil {
			done.Error = fmt.Sprintf("scrub %q: %v", rule.Name, err)
			return done
		}
	}
	return done
}

func (s *Scrubber) rule(ctx context.Context, rule wire.Scrub) (files int, err error) {
	if len(rule.Run) > 0 {
		return 0, s.run(ctx, rule.Run)
	}
	for _, place := range []struct {
		root  *os.Root
		globs []string
	}{{s.data, rule.Files}, {s.volumes, rule.Volumes}} {
		if place.root == nil {
			continue
		}
		names, err := find(place.root, place.globs)
		if err != nil {
			return files, err
		}
		for _, name := range names {
			if ctx.Err() != nil {
				return files, context.Cause(ctx)
			}
			changed, err := s.file(place.root, rule, name)
			if err != nil {
				return files, err
			}
			if changed {
				files++
			}
		}
	}
	return files, nil
}

// find lists what matches, without following links.
func find(root *os.Root, globs []string) ([]string, error) {
	found := map[string]bool{}
	for _, glob := range globs {
		err := doublestar.GlobWalk(root.FS(), glob, func(name string, _ fs.DirEntry) error {
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
				s.made[key] = rand.Text()
			}
			return s.made[key], true
		}
	}
	return "", false
}

// run runs a program in the data.
func (s *Scrubber) run(ctx context.Context, argv []string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.Env, c.Stdout, c.Stderr = s.data.Name(), s.env, s.said, s.said
	c.WaitDelay = time.Second // what it leaves behind keeps nobody waiting
	if err := c.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	return nil
}
