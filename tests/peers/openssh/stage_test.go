package openssh_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/nsjail/idmap"
	"forkgate/nsjail/mount"
	"forkgate/tests/need"
)

// staged is set, to a fork's GUID and to the name by which a script logs in, for a copy of the test binary that runs on the host, in mounts
// of its own: it shows the fork's files there, and becomes what is on its command line.
const staged = "FORKGATE_OPENSSH_STAGED"

func TestMain(m *testing.M) {
	if guid, account, ok := strings.Cut(os.Getenv(staged), " "); ok {
		fmt.Fprintln(os.Stderr, errors.Join(errors.New("cannot stage a script"), enter(guid, account, os.Args[1:])))
		return // with 0, and without the ok that a script ends with
	}
	need.Parallel(m)
}

// session is who works in a fork.
const session = 7111

// enter becomes a command that has the fork's files where its sessions have them, with their ids, and belongs to an account that is named
// as the fork is: the scripts log in by the name of whoever runs them.
func enter(guid, account string, argv []string) error {
	at := "/srv/" + guid
	if err := show("/var/lib/forkgate/pool/forks/"+guid+"/tree/data", at); err != nil {
		return err
	}
	passwd := fmt.Sprintf("root:x:0:0::/root:/bin/sh\n%s:x:%d:%d::%s/home:/bin/sh\n", account, session, session, at)
	accounts := filepath.Join("/run", "passwd-"+guid)
	if err := os.WriteFile(accounts, []byte(passwd), 0o644); err != nil {
		return err
	}
	if err := unix.Mount(accounts, "/etc/passwd", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cannot name the account: %w", err)
	}
	if err := os.Chdir(at); err != nil {
		return err
	}
	path, err := exec.LookPath("setpriv")
	if err != nil {
		return err
	}
	id := fmt.Sprint(session)
	return syscall.Exec(path, append([]string{"setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--"}, argv...), os.Environ())
}

// show mounts a directory of the pool, with the ids that sessions see.
func show(tree, at string) error {
	ns, err := idmap.Namespace(0)
	if err != nil {
		return err
	}
	defer ns.Close()
	dir, err := os.Open(tree)
	if err != nil {
		return err
	}
	defer dir.Close()
	mapped, err := idmap.Clone(dir, ns)
	if err != nil {
		return err
	}
	defer mapped.Close()
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	on, err := os.Open(at)
	if err != nil {
		return err
	}
	defer on.Close()
	return mount.Attach(mapped, on)
}
