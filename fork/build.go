package fork

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Packages are what people and agents expect to find in a session.
var Packages = []string{
	"bash", "coreutils", "findutils", "grep", "sed", "gawk", "diffutils", "patch", "file", "tar", "gzip", "xz-utils", "zstd", "unzip",
	"ca-certificates", "curl", "wget", "git", "rsync", "openssh-client", "openssh-sftp-server",
	"docker.io", "docker-cli", "docker-compose", "iptables", "iproute2", "netbase",
	"less", "vim-tiny", "nano", "procps", "psmisc", "python3", "make", "jq", "ncurses-term", "tmux",
}

// RootfsOptions say what to build a rootfs of. The zero value is Debian 13 with Packages, from the mirror that the host uses.
type RootfsOptions struct {
	Suite    string
	Packages []string
	Mirror   string
}

// BuildRootfs runs mmdebstrap and writes a tar archive, for ImportRootfs, to a file that must not exist. It needs the network, so
// it is not a matter for the warden. line, if not nil, hears what mmdebstrap says it does.
func BuildRootfs(ctx context.Context, o RootfsOptions, file string, line func(string)) (err error) {
	if o.Suite == "" {
		o.Suite = "trixie"
	}
	if len(o.Packages) == 0 {
		o.Packages = Packages
	}
	if o.Mirror == "" {
		o.Mirror = hostMirror("/etc/apt")
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return fmt.Errorf("cannot build a rootfs: %w; apt-get install mmdebstrap", err)
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("cannot build a rootfs: %w", err)
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(file)
		}
	}()
	if err := bootstrap(ctx, o, out, line); err != nil {
		return fmt.Errorf("cannot build a rootfs of %s from %s: %w", o.Suite, o.Mirror, err)
	}
	return nil
}

func bootstrap(ctx context.Context, o RootfsOptions, out io.Writer, line func(string)) error {
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--variant=apt", "--format=tar", "--include="+strings.Join(o.Packages, ","),
		"--aptopt=Apt::Install-Recommends false", `--dpkgopt=path-exclude=/usr/share/doc/*`, "--skip=output/dev",
		// vim-tiny calls itself vi alone.
		`--customize-hook=test -e "$1/usr/bin/vim" || ! test -e "$1/usr/bin/vim.tiny" || ln -s vim.tiny "$1/usr/bin/vim"`, o.Suite, "-", o.Mirror)
	said := &lines{each: line}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, said, 10*time.Second
	// Interrupted, it unmounts what it mounted; killed, it would not.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("mmdebstrap: %w: %s", err, said.wrong)
	}
	return nil
}

// defaultMirror is Debian's own.
const defaultMirror = "http://deb.debian.org/debian"

// debianMirror finds a mirror of Debian's main archive in apt's lists, in the old form and in the new (sources.list(5)).
var debianMirror = regexp.MustCompile(`(?m)^(?:deb\s+(?:\[[^]]*\]\s+)?|URIs:\s*)(https?://\S+/debian)/?(?:\s|$)`)

// hostMirror is the mirror that the host's administrator chose, which may be the only one in reach.
func hostMirror(apt string) string {
	files, _ := filepath.Glob(apt + "/sources.list.d/*")
	for _, file := range append([]string{apt + "/sources.list"}, files...) {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if found := debianMirror.FindSubmatch(content); found != nil {
			return string(found[1])
		}
	}
	return defaultMirror
}

// lines splits what a program says into lines and keeps the first that is an error: the others follow from it.
type lines struct {
	each  func(string)
	part  string
	wrong string
}

func (l *lines) Write(p []byte) (int, error) {
	l.part += string(p)
	for {
		full, rest, found := strings.Cut(l.part, "\n")
		if !found {
			return len(p), nil
		}
		l.part = rest
		if full = strings.TrimSpace(full); l.each != nil {
			l.each(full)
		}
		if l.wrong == "" && strings.HasPrefix(full, "E:") {
			l.wrong = full
		}
	}
}
