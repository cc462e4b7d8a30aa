package adopt

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// hooks is the Rediaccfile of a project that has none.
const hooks = `# forkgate repo adopt wrote this; "Rediaccfile" in forkgate's forks.md says what it is. It is yours to change.
up() {
  [ "$REDIACC_ROLE" = grand ] || return 0 # without this line each fork starts all of it, which who enters it first waits for
  docker compose up --detach --no-build --pull missing
}

down() {
  docker compose stop
}

health() {
  ! docker compose ps --all --format '{{.Service}} is {{.State}} {{.Health}} {{.ExitCode}}' | grep -E ' unhealthy | is (restarting|dead|paused) | is exited .*[1-9]'
}
`

// A Rediaccfile is called at each start of a pod, and so has another name until there is what it starts.
const (
	hooksName  = "Rediaccfile"
	hooksAside = ".forkgate-adopts.Rediaccfile"
)

// copyDir makes the repository of the project's directory.
func (a Adoption) copyDir(ctx context.Context, p Project) error {
	env, err := os.ReadFile(filepath.Join(p.Dir, ".env"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read the variables of %s: %w", p.Name, err)
	}
	out, in, err := pipe()
	if err != nil {
		return err
	}
	packed := make(chan error, 1)
	go func() {
		packed <- errors.Join(a.pack(ctx, p, p.environment(env), in), in.Close())
	}()
	created := a.To.Create(ctx, out)
	out.Close() // who packs ends, if nobody has read all
	if err := <-packed; err != nil && created == nil {
		return err // an archive that ends early may look whole
	}
	return created
}

// pipe makes one whose ends block: a program reads from it, to which that nothing is there yet would be an error. os.Pipe's do not.
func pipe() (out, in *os.File, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	return os.NewFile(uintptr(ends[0]), "pipe"), os.NewFile(uintptr(ends[1]), "pipe"), nil
}

// pack writes the project's directory as a tar archive.
func (a Adoption) pack(ctx context.Context, p Project, env []byte, to io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := exec.CommandContext(ctx, "tar", "-c", "-C", p.Dir, "--format=posix", "--numeric-owner", "--xattrs", "--acls", ".")
	complaint := &bytes.Buffer{}
	c.Stderr = complaint
	from, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("cannot pack %s: %w", p.Dir, err)
	}
	err = a.repack(p, env, tar.NewReader(from), tar.NewWriter(to))
	if err != nil {
		cancel()
	} else {
		_, err = io.Copy(io.Discard, from)
	}
	if waited := c.Wait(); waited != nil && err == nil {
		err = fmt.Errorf("%w: %s", waited, bytes.TrimSpace(complaint.Bytes()))
	}
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", p.Dir, err)
	}
	return nil
}

// repack gives what is packed its owners, and the project its variables and a Rediaccfile.
func (a Adoption) repack(p Project, env []byte, from *tar.Reader, to *tar.Writer) error {
	owner, err := ownerOf(p.Dir)
	if err != nil {
		return err
	}
	missing := map[string]packed{".env": {"./.env", env, 0o600}, hooksName: {"./" + hooksAside, []byte(hooks), 0o644}} // there are passwords in the first
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, content := path.Clean(h.Name), io.Reader(from)
		switch {
		case name == ".env" && h.Typeflag == tar.TypeReg:
			h.Size, content = int64(len(env)), bytes.NewReader(env)
			delete(missing, ".env")
		case name == ".env":
			return errors.New(".env is no plain file")
		case strings.EqualFold(name, hooksName):
			h.Name = "./" + hooksAside
			delete(missing, hooksName)
		}
		if !p.keepsOwner(name, h.Uid == owner) {
			h.Uid, h.Gid, h.Uname, h.Gname = a.User, a.User, "", ""
		}
		h.Format = tar.FormatPAX
		if err := to.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, err := io.Copy(to, content); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, f := range missing {
		if err := f.write(to, a.User); err != nil {
			return err
		}
	}
	return to.Close()
}

// packed is a file that is put into the archive beside what is there.
type packed struct {
	name string
	text []byte
	mode int64
}

func (f packed) write(to *tar.Writer, owner int) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.text)), Mode: f.mode, Uid: owner, Gid: owner}
	if err := to.WriteHeader(h); err != nil {
		return err
	}
	_, err := to.Write(f.text)
	return err
}

func ownerOf(path string) (int, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return int(info.Sys().(*syscall.Stat_t).Uid), nil
}

// environment is .env with what has Compose find the project by the same name and in the same files: there its directory has another name. Of two
// lines for a variable the last one counts.
func (p Project) environment(env []byte) []byte {
	text := string(env)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return []byte(text + "COMPOSE_PROJECT_NAME=" + p.Name + "\nCOMPOSE_FILE=" + strings.Join(p.files, ":") + "\n")
}

// keepsOwner says whose a file of the directory's is to be: what containers write keeps its owners, and so does what they read, unless it is the
// project's own; so it is where a container has all of the directory. Everything else becomes the user's.
func (p Project) keepsOwner(name string, own bool) bool {
	keeps := false
	for _, c := range p.containers {
		for _, m := range c.Mounts {
			at, ok := p.within(m.Source)
			if m.Type == "bind" && ok && (at == "." || name == at || strings.HasPrefix(name, at+"/")) {
				keeps = keeps || m.RW && at != "." || !own
			}
		}
	}
	return keeps
}
