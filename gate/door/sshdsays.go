package door

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"forkgate/gate"
)

// What sshd says in the environment (ssh(1), sshd(8)).

const originalCommand = "SSH_ORIGINAL_COMMAND"

// sshdsOwn lists variables that sshd itself sets for a session: they are the host's, and nobody's marks.
var sshdsOwn = []string{
	"USER", "LOGNAME", "HOME", "PATH", "SHELL", "MAIL", "TERM", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_USER_AUTH", originalCommand,
}

// read takes the environment apart: what sshd says, and what the client has sent.
func (f *Forced) read(environ []string) {
	f.env = map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if slices.Contains(sshdsOwn, name) {
			f.env[name] = value
			continue
		}
		f.marks.add([]byte(name), []byte(value))
	}
}

// destination says where a session leads, and what is to be done there. Where the operator has fixed a ref, all that the client sent is
// the command; elsewhere its first word is a control word or a ref.
func destination(fixed, command string) (place string, j job, err error) {
	if fixed != "" {
		return fixed, forcedJob(command), nil
	}
	first, rest, _ := strings.Cut(strings.TrimLeft(command, " "), " ")
	if _, known := gate.FindVerb(first); known {
		return gate.ControlUser, job{op: gate.OpExec, command: []byte(command)}, nil
	}
	if isTransfer(first) {
		return "", job{}, &gate.Refusal{
			Reason: first + " does not say which fork it is meant for",
			Hint:   "the operator ties an account to a fork by forkgate session --repo REPO+NAME",
		}
	}
	if first == "" {
		return "", job{}, &gate.Refusal{
			Reason: "this account leads to no fork of its own",
			Hint:   "name one: ssh ACCOUNT@host REPO+NAME [COMMAND], or ssh ACCOUNT@host help",
		}
	}
	if _, err := gate.ParseRef(first); err != nil {
		return "", job{}, err
	}
	return first, forcedJob(strings.TrimLeft(rest, " ")), nil
}

// forcedJob is the job of a command. The sftp subsystem comes as the command that sshd has for it.
func forcedJob(command string) job {
	if command == "internal-sftp" || strings.HasSuffix(command, "/sftp-server") {
		return job{op: gate.OpSFTP}
	}
	return *execJob([]byte(command))
}

// isTransfer tells the commands by which clients move files, which have no room for a ref.
func isTransfer(word string) bool {
	switch word {
	case "scp", "rsync", "git-upload-pack", "git-receive-pack", "git-upload-archive":
		return true
	}
	return forcedJob(word).op == gate.OpSFTP
}

// maxAuthInfo is far more than the keys of one login take, in bytes.
const maxAuthInfo = 64 << 10

// signers reads which keys or certificates signed in, in SSH wire format, from the file of ExposeAuthInfo (sshd_config(5)): a line for
// each method, such as "publickey ssh-ed25519 AAAA...". sshd writes it as the account, so that it proves nothing against the account.
func signers(path string) (keys [][]byte, err error) {
	if path == "" {
		return nil, nil // the warden says what is missing
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read which key signed in: %w", err)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, fmt.Errorf("cannot read which key signed in: %w", err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || int(stat.Uid) != os.Geteuid() || stat.Mode&0o077 != 0 {
		return nil, fmt.Errorf("cannot read which key signed in: %s is not what sshd writes: a file of this account's, which nobody else can read", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxAuthInfo))
	if err != nil {
		return nil, fmt.Errorf("cannot read which key signed in: %w", err)
	}
	return parseAuthInfo(string(text)), nil
}

func parseAuthInfo(text string) (keys [][]byte) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "publickey" {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(words[2])
		if err != nil {
			key = nil // the warden takes no login of which one key cannot be read
		}
		keys = append(keys, key)
	}
	return keys
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err
}
