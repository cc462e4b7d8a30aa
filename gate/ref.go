package gate

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxName is the longest repository name or tag, in bytes.
const MaxName = 63

// The SSH user names under which the control words answer (ssh gate@host VERB). At the second one a client is asked for the touch of a
// security key, which approving takes: nobody knows what a client wants before it has authenticated. No repository may have either as its
// name.
const (
	ControlUser = "gate"
	TouchUser   = "touch"
)

// IsControl reports whether control words answer under an SSH user name.
func IsControl(user string) bool { return user == ControlUser || user == TouchUser }

// Ref is what a caller types to name a repository or a fork of it.
type Ref struct {
	Repo  string
	Tag   string // empty: the repository itself, unless Fresh
	Fresh bool   // "demo+": a new fork under a made-up tag
}

// String gives the canonical text: "demo", "demo:tag", or "demo:" for a fresh fork.
func (r Ref) String() string {
	if r.Tag == "" && !r.Fresh {
		return r.Repo
	}
	return r.Repo + ":" + r.Tag
}

// IsFork reports whether the ref names a fork, existing or to be made.
func (r Ref) IsFork() bool { return r.Tag != "" || r.Fresh }

// separators between repository and tag. The colon is canonical; scp, sftp, rsync and git split at the first colon, so
// plus and equals stand for it, and a space is what ssh:// URLs make of a plus.
const separators = ":+= "

// ParseRef reads NAME, NAME:TAG, NAME+TAG, NAME=TAG, or NAME+ for a fresh fork. Its errors are refusals.
func ParseRef(s string) (Ref, error) {
	repo, tag, isFork := s, "", false
	if i := strings.IndexAny(s, separators); i >= 0 {
		repo, tag, isFork = s[:i], s[i+1:], true
	}
	if err := CheckName(repo); err != nil {
		return Ref{}, malformedRef(s, err)
	}
	if isFork && tag == "" {
		return Ref{Repo: repo, Fresh: true}, nil
	}
	if isFork {
		if err := CheckName(tag); err != nil {
			return Ref{}, malformedRef(s, err)
		}
	}
	return Ref{Repo: repo, Tag: tag}, nil
}

// CheckName checks a repository name or a tag: 1 to 63 of a-z 0-9 . _ -, the first a letter or a digit, no "..".
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a name is missing")
	case len(name) > MaxName:
		return fmt.Errorf("a name has at most %d characters, this one has %d", MaxName, len(name))
	case !isAlnum(name[0]):
		first, _ := utf8.DecodeRuneInString(name)
		return fmt.Errorf("a name starts with a-z or 0-9, not %q", first)
	case strings.Contains(name, ".."):
		return fmt.Errorf("a name has no two dots in a row")
	}
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && !strings.ContainsRune("._-", rune(c)) {
			odd, _ := utf8.DecodeRuneInString(name[i:])
			return fmt.Errorf("a name is made of a-z 0-9 . _ -, not %q", odd)
		}
	}
	return nil
}

// CheckRepoName is CheckName for a repository.
func CheckRepoName(name string) error {
	err := CheckName(name)
	if err == nil && IsControl(name) {
		err = fmt.Errorf("%s is where control words answer", name)
	}
	return err
}

func isAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func malformedRef(s string, err error) error {
	const shown = 80
	if len(s) > shown {
		s = s[:shown] + "..."
	}
	return &Refusal{
		Reason: fmt.Sprintf("%q names no repository or fork: %v", s, err),
		Hint:   "a repository is NAME, a fork of it NAME+TAG",
	}
}
