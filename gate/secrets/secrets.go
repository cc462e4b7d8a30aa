// Package secrets keeps what repositories are given for what runs in them: passwords, tokens. Each has a value for the repository itself and, if the
// operator gives one, another for its forks; nobody gets the one in the place of the other, as there is one function that reads values, and
// it is told which.
//
// Values are encrypted (age, X25519) to a key in a file of root's, so that neither the registry that they lie in nor a copy of it is enough to
// read them. Whoever has both has all of it: root on the host. It does not deliver them, and has no function that shows one to anybody.
package secrets

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
)

// What is wrong with a secret.
var (
	ErrName  = errors.New("no name for a secret")
	ErrValue = errors.New("no value for a secret")
	ErrNone  = errors.New("no such secret")
	ErrMany  = errors.New("too many secrets")
)

// The bounds of what a repository is given.
const (
	MaxValue     = 32 << 10 // bytes
	MaxCount     = 64       // of a repository, and of its forks
	MaxVariables = 8 << 10  // bytes of all that are variables: they go along with each command
)

// Audience is who a value is for. The zero Audience is nobody.
type Audience string

// There are two.
const (
	Production Audience = "grand" // the repository itself
	Forks      Audience = "forks" // all of its forks
)

// Secret is one value, without it.
type Secret struct {
	Repo     string    `json:"repo"` // GUID
	Name     string    `json:"name"`
	For      Audience  `json:"for"`
	Variable bool      `json:"variable,omitempty"` // given as an environment variable as well
	Set      time.Time `json:"set"`
}

// Value is a secret as it is given.
type Value struct {
	Name string
	Text []byte
}

// record is how a secret lies on the shelf.
type record struct {
	Secret
	Sealed []byte `json:"sealed"`
}

// Shelf is where records lie. *fork.Shelf is one.
type Shelf interface {
	Put(key string, record []byte) error
	Delete(key string) error
	All() (map[string][]byte, error)
}

// Book is all secrets of a host: on the shelf, and the same in memory, encrypted in both. Its methods may be called from many goroutines.
type Book struct {
	shelf Shelf
	key   *age.X25519Identity

	mu  sync.RWMutex
	all map[string]record // by key
}

// Open opens the book. The key's file is made where it is missing.
func Open(shelf Shelf, keyFile string) (*Book, error) {
	key, err := openKey(keyFile)
	if err != nil {
		return nil, err
	}
	b := &Book{shelf: shelf, key: key, all: map[string]record{}}
	texts, err := shelf.All()
	if err != nil {
		return nil, err
	}
	for at, text := range texts {
		var one record
		if err := json.Unmarshal(text, &one); err != nil || keyOf(one.Repo, one.Name, one.For) != at { // somebody has moved it
			return nil, fmt.Errorf("the registry's record of the secret %q is damaged", at)
		}
		b.all[at] = one
	}
	return b, nil
}

func openKey(path string) (*age.X25519Identity, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the key of secrets: %w", err)
	}
	key, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("cannot read the key of secrets %s: %w; restore it from a backup, or remove it and set all secrets again", path, err)
	}
	return key, nil
}

func makeKey(path string) (*age.X25519Identity, error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot make the key of secrets: %w", err)
	}
	_, err = f.WriteString(key.String() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot make the key of secrets: %w", err), os.Remove(path))
	}
	return key, nil
}

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// reserved begin the variables that decide what a session is, or what a program of it loads.
var reserved = []string{"REDIACC_", "FORKGATE_", "DOCKER_", "LD_", "BASH", "SSH_", "PYTHON", "GIT_", "XDG_"}

// plain are such variables by their whole name.
var plain = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "IFS", "ENV", "TERM", "TMPDIR", "PWD", "SHELLOPTS", "PS4", "PROMPT_COMMAND"}

func check(name string, variable bool, value []byte) error {
	switch {
	case !nameForm.MatchString(name):
		return fmt.Errorf("%w: %.80q: it is a file's and perhaps a variable's, made of letters, digits and _, and begins with no digit", ErrName, name)
	case variable && (slices.Contains(plain, name) || slices.ContainsFunc(reserved, func(begin string) bool { return strings.HasPrefix(name, begin) })):
		return fmt.Errorf("%w: %s is a variable that sessions have already", ErrName, name)
	case len(value) == 0:
		return fmt.Errorf("%w: it is empty", ErrValue)
	case len(value) > MaxValue:
		return fmt.Errorf("%w: it has %d bytes, and %d are the most", ErrValue, len(value), MaxValue)
	case variable && bytes.IndexByte(value, 0) >= 0:
		return fmt.Errorf("%w: there is a zero byte in it, which no variable can have", ErrValue)
	}
	return nil
}

func keyOf(repo, name string, who Audience) string { return repo + "/" + string(who) + "/" + name }

// Put gives a repository a value, in the place of the one that it had for the same.
func (b *Book) Put(s Secret, value []byte) error {
	if err := check(s.Name, s.Variable, value); err != nil {
		return err
	}
	if s.For != Production && s.For != Forks || s.Repo == "" {
		return fmt.Errorf("%w: it is for nobody", ErrName)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	at := keyOf(s.Repo, s.Name, s.For)
	if _, there := b.all[at]; !there && len(b.of(s.Repo, s.For)) >= MaxCount {
		return fmt.Errorf("%w: it has %d", ErrMany, MaxCount)
	}
	if s.Variable {
		if err := b.checkVariables(s, value); err != nil {
			return err
		}
	}
	sealed, err := seal(value, b.key.Recipient())
	if err != nil {
		return err
	}
	text, err := json.Marshal(record{s, sealed})
	if err != nil {
		return err
	}
	if err := b.shelf.Put(at, text); err != nil {
		return err
	}
	b.all[at] = record{s, sealed}
	return nil
}

// checkVariables makes sure that a session can be given all of them.
func (b *Book) checkVariables(s Secret, value []byte) error {
	others, err := b.valuesLocked(s.Repo, s.For, func(o Secret) bool { return o.Variable && o.Name != s.Name })
	if err != nil {
		return err
	}
	size := len(s.Name) + len(value)
	for _, o := range others {
		size += len(o.Name) + len(o.Text)
	}
	if size > MaxVariables {
		return fmt.Errorf("%w: all variables together have %d bytes then, and %d are the most; give it as a file alone", ErrValue, size, MaxVariables)
	}
	return nil
}

// Remove takes a value back.
func (b *Book) Remove(repo, name string, who Audience) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.all[keyOf(repo, name, who)]; !there {
		return ErrNone
	}
	return b.remove(keyOf(repo, name, who))
}

func (b *Book) remove(at string) error {
	err := b.shelf.Delete(at)
	if err == nil {
		delete(b.all, at)
	}
	return err
}

// Forget removes all that a repository was given.
func (b *Book) Forget(repo string) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range append(b.of(repo, Production), b.of(repo, Forks)...) {
		err = errors.Join(err, b.remove(keyOf(repo, one.Name, one.For)))
	}
	return err
}

// Prune forgets what repositories were given that are gone: one whose end a crash came between.
func (b *Book) Prune(there func(repo string) bool) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for at, one := range b.all {
		if !there(one.Repo) {
			err = errors.Join(err, b.remove(at))
		}
	}
	return err
}

// List says what a repository is given, by name, and no value.
func (b *Book) List(repo string) []Secret {
	b.mu.RLock()
	defer b.mu.RUnlock()
	secrets := []Secret{}
	for _, one := range append(b.of(repo, Production), b.of(repo, Forks)...) {
		secrets = append(secrets, one.Secret)
	}
	slices.SortStableFunc(secrets, func(a, b Secret) int { return cmp.Compare(a.Name, b.Name) })
	return secrets
}

// For reads the values that a repository, or each fork of it, is given, by name.
func (b *Book) For(repo string, who Audience) ([]Value, error) {
	return b.values(repo, who, func(Secret) bool { return true })
}

// Variables reads those that are given as variables as well.
func (b *Book) Variables(repo string, who Audience) ([]Value, error) {
	return b.values(repo, who, func(s Secret) bool { return s.Variable })
}

func (b *Book) values(repo string, who Audience, want func(Secret) bool) ([]Value, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.valuesLocked(repo, who, want)
}

func (b *Book) valuesLocked(repo string, who Audience, want func(Secret) bool) (values []Value, err error) {
	for _, one := range b.of(repo, who) {
		if !want(one.Secret) {
			continue
		}
		text, err := open(one.Sealed, b.key)
		if err != nil {
			return nil, fmt.Errorf("cannot read the secret %s: %w; set it again", one.Name, err)
		}
		values = append(values, Value{one.Name, text})
	}
	return values, nil
}

func (b *Book) of(repo string, who Audience) (all []record) {
	for _, one := range b.all {
		if one.Repo == repo && one.For == who {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b record) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func seal(value []byte, to age.Recipient) ([]byte, error) {
	var sealed bytes.Buffer
	into, err := age.Encrypt(&sealed, to)
	if err == nil {
		_, err = into.Write(value)
		err = errors.Join(err, into.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("cannot encrypt a secret: %w", err)
	}
	return sealed.Bytes(), nil
}

func open(sealed []byte, key age.Identity) ([]byte, error) {
	from, err := age.Decrypt(bytes.NewReader(sealed), key)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(from)
}
