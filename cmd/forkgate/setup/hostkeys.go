package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

const (
	gateKeys = "/var/lib/forkgate/hostkeys"
	sshdKeys = "/etc/ssh"
)

// hostKeyFiles are the kinds of keys that the gate has; sshd has them by the same names.
var hostKeyFiles = []string{"ssh_host_ed25519_key", "ssh_host_ecdsa_key"}

func hostKeysThere(_ context.Context, h *Host) string {
	for _, name := range hostKeyFiles {
		if exists(h.path(gateKeys + "/" + name)) {
			return gateKeys + " has them"
		}
	}
	return ""
}

// askHostKeys proposes the keys by which clients know this host already.
func askHostKeys(ctx context.Context, h *Host, asker Asker, a *Answers) (err error) {
	for _, name := range hostKeyFiles {
		if exists(h.path(sshdKeys + "/" + name)) {
			a.OwnKeys, err = asker.Confirm(ctx, "Is the gate to be known by the keys of this host's sshd? No known_hosts changes then where it takes sshd's port", true)
			return err
		}
	}
	return nil
}

// makeHostKeys copies sshd's keys. The warden, which makes those that are missing, has not run yet.
func makeHostKeys(_ context.Context, h *Host, a Answers) error {
	if !a.OwnKeys {
		fmt.Fprintln(h.Out, "new ones are made when the services start")
		return nil
	}
	if err := os.MkdirAll(h.path(gateKeys), 0o700); err != nil {
		return err
	}
	for _, name := range hostKeyFiles {
		from, to := h.path(filepath.Join(sshdKeys, name)), h.path(filepath.Join(gateKeys, name))
		text, err := os.ReadFile(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		key, err := ssh.ParsePrivateKey(text)
		if err != nil {
			fmt.Fprintf(h.Out, "left out: %s: %v\n", from, err)
			continue
		}
		if err := writeNew(to, text, 0o600); err != nil {
			return err
		}
		if err := writeNew(to+".pub", ssh.MarshalAuthorizedKey(key.PublicKey()), 0o644); err != nil {
			return errors.Join(err, os.Remove(to))
		}
		fmt.Fprintf(h.Out, "%s is a copy of %s\n", to, from)
	}
	return nil
}

// writeNew writes a file that is not there yet, and is whole on the disk when it returns.
func writeNew(name string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
