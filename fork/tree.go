package fork

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// State is where a tree is in its life. The zero State is none, and no record has it.
type State string

const (
	Making   State = "making"   // claimed; parts of it may exist
	Ready    State = "ready"    // whole
	Removing State = "removing" // nobody enters any more; parts of it may be gone
)

// Slots is how many trees, grand repositories and forks together, a host has: slot 4094's ids would be those in which the
// pool stores its files.
const Slots = 4094

// Tree is a grand repository or a fork, as the registry records it.
type Tree struct {
	GUID   string    `json:"guid"`
	Repo   string    `json:"repo"`
	Tag    string    `json:"tag,omitempty"` // empty for a grand repository
	Grand  bool      `json:"grand,omitempty"`
	Owner  string    `json:"owner,omitempty"`  // the principal that made the fork
	Parent string    `json:"parent,omitempty"` // GUID of what it was forked from, which may be gone by now
	Slot   int       `json:"slot"`             // 0..Slots-1
	Rootfs string    `json:"rootfs"`           // digest of the rootfs of which root is a snapshot
	Made   time.Time `json:"made"`
	State  State     `json:"state"`
	Limits Limits    `json:"limits,omitzero"` // of a fork

	// Expires is when a fork is not needed any more, unless somebody says otherwise; zero: never.
	Expires time.Time `json:"expires,omitzero"`

	// Used is about when somebody was in a fork last; zero: as far as is known nobody.
	Used time.Time `json:"used,omitzero"`

	// Frozen is since when a fork stays as it is: nobody enters, changes or removes it; zero: it is in use.
	Frozen time.Time `json:"frozen,omitzero"`

	// Settled says that what has to be taken out of a fork before anybody is in it has been, or that nothing had to be; Unsettled why that failed.
	Settled   bool   `json:"settled,omitempty"`
	Unsettled string `json:"unsettled,omitempty"`

	// Shared is how many bytes were charged to the parent when a fork was made; see holds.
	Shared uint64 `json:"shared,omitempty"`
}

// Limits are what a fork may use. They are fixed when it is made; this package keeps the quota and remembers the others. A record
// from before there were limits has none, and its fork no quota.
type Limits struct {
	Quota  uint64   `json:"quota,omitempty"`  // bytes of the pool, over all of its subvolumes
	Memory uint64   `json:"memory,omitempty"` // bytes
	Pids   uint64   `json:"pids,omitempty"`
	CPU    uint64   `json:"cpu,omitempty"` // percent of one processor
	IO     uint64   `json:"io,omitempty"`  // weight
	Egress []string `json:"egress,omitempty"`
	TTL    uint64   `json:"ttl,omitempty"` // seconds; 0: it does not expire
	Renew  bool     `json:"renew,omitempty"`
}

// Life is how long a fork is kept with these limits; zero: it does not expire.
func (l Limits) Life() time.Duration { return time.Duration(l.TTL) * time.Second }

// Expiry is the end of a life that begins now; zero: it has none.
func (l Limits) Expiry(now time.Time) time.Time {
	if l.TTL == 0 {
		return time.Time{}
	}
	return now.Add(l.Life()).UTC()
}

// Ref is the canonical name: "demo", or "demo:tag" for a fork.
func (t Tree) Ref() string {
	if t.Tag == "" {
		return t.Repo
	}
	return t.Repo + ":" + t.Tag
}

// NetworkID names the tree's network and its Docker socket.
func (t Tree) NetworkID() int { return 2816 + 64*t.Slot }

// SubUID is the first of the 65536 ids that the tree's pod has to itself.
func (t Tree) SubUID() uint32 { return 0x70000000 + 65536*uint32(t.Slot) }

// Dirs are the absolute paths of a tree's parts. Only Base, Tree, Root and Home are names that root may follow; Data and
// Docker are directories of ours as well, what is in them is not.
type Dirs struct {
	Base   string
	Tree   string // subvolume
	Data   string // a session's files
	Docker string // the Docker daemon's
	Root   string // subvolume, read-only: the rootfs
	Home   string // subvolume: one directory per principal and kind, made by the pod
}

// dataName is what the data is called in its tree.
const dataName = "data"

func dirsBelow(base string) Dirs {
	tree := filepath.Join(base, "tree")
	return Dirs{
		Base: base, Tree: tree, Data: filepath.Join(tree, dataName), Docker: filepath.Join(tree, "docker"),
		Root: filepath.Join(base, "root"), Home: filepath.Join(base, "home"),
	}
}

// decodeTree reads a record. It believes nothing: a wrong slot would give two pods the same ids, a wrong GUID would be a
// path.
func decodeTree(record []byte) (Tree, error) {
	var t Tree
	if err := json.Unmarshal(record, &t); err != nil {
		return Tree{}, err
	}
	if err := t.check(); err != nil {
		return Tree{}, err
	}
	return t, nil
}

func (t Tree) check() error {
	switch {
	case !isGUID(t.GUID):
		return fmt.Errorf("%q is no GUID", t.GUID)
	case t.Parent != "" && !isGUID(t.Parent):
		return fmt.Errorf("%q is no GUID of a parent", t.Parent)
	case t.Slot < 0 || t.Slot >= Slots:
		return fmt.Errorf("slot %d is not in 0..%d", t.Slot, Slots-1)
	case !isDigest(t.Rootfs):
		return fmt.Errorf("%q is no digest of a rootfs", t.Rootfs)
	case t.State != Making && t.State != Ready && t.State != Removing:
		return fmt.Errorf("%q is no state", t.State)
	case t.Grand && t.Limits.Quota != 0:
		return errors.New("a grand repository has no quota")
	case t.Grand && !t.Frozen.IsZero():
		return errors.New("a grand repository is not frozen")
	case t.Grand && (t.Tag != "" || t.Owner != "" || t.Parent != ""):
		return errors.New("a grand repository has no tag, owner or parent")
	case !t.Grand && (t.Tag == "" || t.Owner == "" || t.Parent == ""):
		return errors.New("a fork has a tag, an owner and a parent")
	case len(t.Owner) > 255 || strings.ContainsFunc(t.Owner, unicode.IsControl):
		return fmt.Errorf("%.80q is no owner", t.Owner)
	}
	if err := checkName(t.Repo); err != nil {
		return err
	}
	if !t.Grand {
		return checkName(t.Tag)
	}
	return nil
}

// checkName is a second look at names that the caller has checked already: they are never part of a path here, but they end
// up in messages and unit descriptions.
func checkName(name string) error {
	if name == "" || len(name) > 63 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return fmt.Errorf("%q is no name: 1 to 63 of a-z 0-9 . _ -", name)
	}
	return nil
}
