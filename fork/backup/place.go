package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// Place is where backups lie. Names are relative, with slashes, and of this package's making.
type Place interface {
	// Put writes a file whole or not at all. It is safe there when Put returns.
	Put(ctx context.Context, name string, from io.Reader) error
	// Get opens a file; fs.ErrNotExist is that of one that is not there.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List names what is below a directory, at any depth, and what a Put has left that was killed.
	List(ctx context.Context, dir string) ([]string, error)
	// Remove removes files; one that is not there is no error.
	Remove(ctx context.Context, names ...string) error
	// String is how the operator names the place.
	String() string
}

// Directory is a place in a mounted filesystem.
type Directory struct {
	root *os.Root
	path string
}

// OpenDirectory opens a directory, which has to be there: one that is made where a disk should be mounted fills another disk.
func OpenDirectory(dir string) (*Directory, error) {
	full, err := filepath.Abs(dir)
	if real, unreal := filepath.EvalSymlinks(full); unreal == nil {
		full = real // so that one place has one name
	}
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(full)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s for backups: %w; mount it, or make it with mkdir", dir, err)
	}
	return &Directory{root, full}, nil
}

// Close lets go of the directory.
func (d *Directory) Close() error { return d.root.Close() }

func (d *Directory) String() string { return d.path }

// Put is Place's. The file has another name until it is whole and on the disk.
func (d *Directory) Put(_ context.Context, name string, from io.Reader) error {
	if err := d.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	if err := d.root.Remove(name + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.root.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, d.root.Remove(name+".new"))
	}
	if err := d.root.Rename(name+".new", name); err != nil {
		return err
	}
	dir, err := d.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Get is Place's.
func (d *Directory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that somebody has put there does not hold us up
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: name, Err: errors.New("it is no file")}, err, f.Close())
	}
	return f, nil
}

// List is Place's.
func (d *Directory) List(_ context.Context, dir string) (names []string, err error) {
	err = fs.WalkDir(d.root.FS(), path.Clean(dir), func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && entry.IsDir():
			return nil
		case err == nil:
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// Remove is Place's. Directories that it leaves empty go as well.
func (d *Directory) Remove(_ context.Context, names ...string) error {
	for _, name := range names {
		if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_ = d.root.Remove(path.Dir(name)) // unless there is more in it
	}
	return nil
}
