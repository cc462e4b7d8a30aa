package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/crypto/ssh"

	"forkgate/gate"
)

var errNoKeys = errors.New("no key in it that can speak here")

// principalThere looks for a file of principals of whatever content: who has written one goes on with it.
func principalThere(_ context.Context, h *Host) string {
	if _, err := os.Stat(h.path(principals)); err == nil {
		return principals + " says it"
	}
	return ""
}

func askPrincipal(ctx context.Context, h *Host, asker Asker, a *Answers) error {
	err := ask(ctx, asker, &a.Principal, "your name at the gate", loginName(), func(name string) error {
		if err := gate.CheckName(name); err != nil {
			return fmt.Errorf("%q cannot be a principal: %w", name, err)
		}
		if name == none { // what other questions take it for
			return fmt.Errorf("%q cannot be a principal: somebody has to speak", name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var keys, left []string
	err = ask(ctx, asker, &a.Keys, "the file with your public keys", h.authorizedKeys(ctx), func(file string) (err error) {
		keys, left, err = readKeys(file)
		return err
	})
	if err != nil {
		return err
	}
	for _, why := range left {
		fmt.Fprintf(h.Out, "left out: %s\n", why)
	}
	for _, key := range keys {
		fmt.Fprintf(h.Out, "%s\n", gate.Printable(fingerprint(key)))
	}
	a.keys = keys
	if !a.Vouched {
		a.Vouched, err = asker.Confirm(ctx, fmt.Sprintf("%s. Is it certain that no AI agent reaches any of them, as a file or in an ssh-agent? "+
			"Otherwise whoever has one of them is an agent until a workstation says more", gate.Count(len(keys), "key")), false)
	}
	return err
}

// loginName is whose terminal this is.
func loginName() string {
	for _, name := range []string{os.Getenv("SUDO_USER"), os.Getenv("LOGNAME")} {
		if name != "" && name != "root" {
			return name
		}
	}
	return "admin"
}

// authorizedKeys is the file by which whoever types is known to sshd.
func (h *Host) authorizedKeys(ctx context.Context) string {
	if name := os.Getenv("SUDO_USER"); name != "" && name != "root" {
		if file := filepath.Join(h.home(ctx, name), ".ssh/authorized_keys"); exists(h.path(file)) {
			return h.path(file)
		}
	}
	return h.path("/root/.ssh/authorized_keys")
}

// home is where an account is at home, wherever accounts are kept; a directory that is not there, where there is no such account.
func (h *Host) home(ctx context.Context, name string) string {
	out, _ := h.Output(ctx, "getent", "passwd", name)
	if fields := strings.Split(strings.TrimSpace(out), ":"); len(fields) == 7 { // passwd(5)
		return fields[5]
	}
	return "/nonexistent"
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// readKeys reads a file as sshd reads authorized_keys, and says which lines it leaves out. A key with a forced command or of a certificate authority is no
// person's.
func readKeys(file string) (keys []string, left []string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, comment, options, _, err := ssh.ParseAuthorizedKey(line)
		switch {
		case err != nil:
			left = append(left, fmt.Sprintf("line %d of %s: no key", n, file))
		case len(options) > 0:
			left = append(left, fmt.Sprintf("line %d of %s: a key with %s", n, file, strings.Join(names(options), ", ")))
		case key.Type() == "ssh-dss":
			left = append(left, fmt.Sprintf("line %d of %s: a DSA key", n, file))
		default:
			keys = append(keys, strings.TrimSpace(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))+" "+comment))
		}
	}
	if len(keys) == 0 {
		return nil, nil, fmt.Errorf("%s: %w", file, errNoKeys)
	}
	return keys, left, nil
}

// fingerprint is how people know a key: what ssh-keygen -l prints, and its comment.
func fingerprint(line string) string {
	key, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return line
	}
	return ssh.FingerprintSHA256(key) + " " + comment
}

// names are those of options, without their values.
func names(options []string) (all []string) {
	for _, o := range options {
		name, _, _ := strings.Cut(o, "=")
		all = append(all, name)
	}
	return all
}

// makePrincipal writes the file, where there is none.
func makePrincipal(_ context.Context, h *Host, a Answers) error {
	// Of what the operator was shown, and not of what the file has by now.
	err := writeNew(h.path(principals), principalBlock(a.Principal, a.keys, a.Vouched), 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there by now", principals)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(h.Out, "%s has %s of %s\n", principals, gate.Count(len(a.keys), "key"), a.Principal)
	return nil
}

// principalBlock is a principal in HCL, whatever its name and the comments of its keys hold.
func principalBlock(name string, keys []string, vouched bool) []byte {
	file := hclwrite.NewEmptyFile()
	body := file.Body().AppendNewBlock("principal", []string{name}).Body()
	var all []cty.Value
	for _, key := range keys {
		all = append(all, cty.StringVal(key))
	}
	body.SetAttributeValue("keys", cty.ListVal(all))
	if vouched {
		body.SetAttributeValue("vouched", cty.True)
	}
	return append([]byte("# Who may speak, as forkgate setup was told; principals.hcl.example beside it says what else there is.\n\n"), file.Bytes()...)
}
