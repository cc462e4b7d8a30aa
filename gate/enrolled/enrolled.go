package enrolled

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
)

// Dir is where the record is.
const Dir = "/var/lib/forkgate/security-keys"

// Why a key is not added or removed.
var (
	ErrName = errors.New("another security key has this name")
	ErrKey  = errors.New("this key is enrolled already")
	ErrNone = errors.New("no security key of that name is enrolled")
)

// Key is an enrolled security key.
type Key struct {
	Name      string    `json:"name"`
	Principal string    `json:"principal"` // whose presence it shows
	Line      string    `json:"key"`       // as in authorized_keys (sshd(8)), without a comment
	Model     string    `json:"model,omitempty"`
	By        string    `json:"by"`     // subject of the maker's certificate
	Issuer    string    `json:"issuer"` // and who issued that
	At        time.Time `json:"at"`     // UTC

	public ssh.PublicKey
}

// Public is the key itself.
func (k Key) Public() ssh.PublicKey { return k.public }

// LineOf is a public key as a Key has it.
func LineOf(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// Record is all keys: on disk, and the same in memory. One process has it open at a time. Its methods may be called at the same time.
type Record struct {
	dir  string
	mu   sync.Mutex
	keys map[string]Key // by name
}

const suffix = ".json"

// Open reads the record in dir, which it makes where it is missing. Files that cannot be read are for the journal.
func Open(dir string, journal *slog.Logger) (*Record, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot keep security keys: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("cannot read the security keys: %w", err)
	}
	r := &Record{dir: dir, keys: map[string]Key{}}
	for _, path := range paths {
		k, err := read(path)
		if err == nil {
			err = r.free(k)
		}
		if err != nil {
			journal.Error("an enrolled security key counts for nothing: remove its file and enroll it anew", "file", path, "error", err)
			continue
		}
		r.keys[k.Name] = k
	}
	return r, nil
}

func read(path string) (Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Key{}, err
	}
	var k Key
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&k); err != nil {
		return Key{}, err
	}
	if k.Name+suffix != filepath.Base(path) {
		return Key{}, fmt.Errorf("it is of %q", k.Name)
	}
	return k.parsed()
}

// New makes a Key of what is said of one.
func New(k Key) (Key, error) {
	whole, err := k.parsed()
	if err != nil {
		return Key{}, fmt.Errorf("cannot enroll %q: %w", k.Name, err)
	}
	return whole, nil
}

// parsed fills in what the line says.
func (k Key) parsed() (Key, error) {
	if err := errors.Join(gate.CheckName(k.Name), gate.CheckName(k.Principal)); err != nil {
		return Key{}, err
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(k.Line))
	if err != nil {
		return Key{}, err
	}
	if len(options) > 0 || len(rest) > 0 || LineOf(key) != k.Line {
		return Key{}, errors.New("its key is not as it is written here")
	}
	k.public = key
	return k, nil
}

// free reports whether a key can be added.
func (r *Record) free(k Key) error {
	if _, taken := r.keys[k.Name]; taken {
		return ErrName
	}
	if other, taken := r.find(k.public); taken {
		return fmt.Errorf("%w, as %s", ErrKey, other.Name)
	}
	return nil
}

func (r *Record) find(key ssh.PublicKey) (Key, bool) {
	for _, k := range r.keys {
		if key != nil && bytes.Equal(k.public.Marshal(), key.Marshal()) {
			return k, true
		}
	}
	return Key{}, false
}

// Find finds a key.
func (r *Record) Find(key ssh.PublicKey) (Key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.find(key)
}

// All lists the keys, by name.
func (r *Record) All() []Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Key, 0, len(r.keys))
	for _, k := range r.keys {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b Key) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Add adds a key, on disk before it counts. It fails with ErrName or ErrKey where there is one already.
func (r *Record) Add(k Key) error {
	k, err := New(k)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.free(k); err != nil {
		return err
	}
	if err := r.write(k); err != nil {
		return fmt.Errorf("cannot enroll %s: %w", k.Name, err)
	}
	r.keys[k.Name] = k
	return nil
}

// write puts the file into place when it is whole. A file of that name which could not be read at the start stays: it is not for
// this to say that it was nothing.
func (r *Record) write(k Key) error {
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	draft, err := os.CreateTemp(r.dir, ".draft-*") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	_, err = draft.Write(append(text, '\n'))
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := os.Link(draft.Name(), r.path(k.Name)); err != nil {
		return err
	}
	return r.sync()
}

// Remove removes a key: it counts for nothing from then on.
func (r *Record) Remove(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.keys[name]; !ok {
		return ErrNone
	}
	delete(r.keys, name) // even where its file stays: then it is to be told of
	if err := os.Remove(r.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove %s: %w; until that is done it counts again when the warden is restarted", name, err)
	}
	return r.sync()
}

func (r *Record) path(name string) string { return filepath.Join(r.dir, name+suffix) }

// sync has the names in the directory reach the disk.
func (r *Record) sync() error {
	d, err := os.Open(r.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
