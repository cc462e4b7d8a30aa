package client

import (
	"context"
	"os"
	"time"

	"forkgate/nsjail/wire"
)

// Message types of the operator's socket alone.
const (
	TypeOperatorVerb = "operator-verb"
	TypeStatus       = "status"
	TypeRepoCreate   = "repo-create"
	TypeRepoRemove   = "repo-remove"
	TypeRepoRun      = "repo-run"
	TypeRootfsImport = "rootfs-import"
	TypeRootfsList   = "rootfs-list"
	TypeReading      = "reading"
	TypeLogin        = "login"
	TypeDown         = "down"
)

// StatusReply says how the warden is.
type StatusReply struct {
	Sessions int `json:"sessions"` // that run

	Record           string    `json:"record,omitempty"` // why the audit log is not written; empty: it is
	RecordLine       uint64    `json:"record_line"`      // its newest
	RecordAnchored   time.Time `json:"record_anchored"`  // when it was signed last; zero: not since the warden started
	Recordings       int64     `json:"recordings"`       // bytes that recordings have taken
	RecordingsAtMost uint64    `json:"recordings_at_most"`

	Version      string    `json:"version"`
	Since        time.Time `json:"since"`
	Policy       string    `json:"policy"`                 // where it comes from
	PolicySince  time.Time `json:"policy_since,omitzero"`  // when the policy in force was loaded; zero: none is, the doors are shut
	PolicyError  string    `json:"policy_error,omitempty"` // why the files as they are now do not load
	Pool         string    `json:"pool"`                   // mount point
	PoolError    string    `json:"pool_error,omitempty"`   // why it cannot be used: then it has no name and no size
	PoolSize     uint64    `json:"pool_size"`              // bytes
	PoolFree     uint64    `json:"pool_free"`              // bytes
	Returning    int       `json:"pool_returning"`         // subvolumes that were removed, and whose space is not free yet
	Repositories int       `json:"repositories"`
	Names        []string  `json:"names"` // theirs
	Forks        int       `json:"forks"`
	Pods         []string  `json:"pods"` // refs of what runs
}

// ReadingRequest says what the operator is about to read that is in files of root's alone.
type ReadingRequest struct {
	Command string `json:"command"`
}

// RepoCreateRequest makes a grand repository. With it may come one descriptor, of a directory or a tar file: what it
// starts with.
type RepoCreateRequest struct {
	Name       string `json:"name"`
	Source     string `json:"source,omitempty"` // what the descriptor is, for messages
	KeepOwners bool   `json:"keep_owners,omitempty"`
}

// RepoRemoveRequest removes a grand repository that has no forks. Understood is its name once more, by somebody who has read what that means.
type RepoRemoveRequest struct {
	Understood string `json:"understood"`
	Name       string `json:"name"`
}

// RepoRunRequest runs a command in a grand repository, as its user. It is answered as an OpenRequest without a terminal is.
type RepoRunRequest struct {
	Name    string `json:"name"`
	Command []byte `json:"command"` // for the shell
}

// RootfsImportRequest comes with one descriptor, of a tar file.
type RootfsImportRequest struct {
	Source string `json:"source"` // what the descriptor is, for messages
}

// Rootfs is the tools inside sessions, named by what is in them.
type Rootfs struct {
	Digest  string `json:"digest"`
	Current bool   `json:"current"` // what new repositories and forks get
}

// RootfsListReply lists what is in the pool.
type RootfsListReply struct {
	Rootfs []Rootfs `json:"rootfs"`
}

// DownReply says which pods have heard that the host goes down.
type DownReply struct {
	Pods []string `json:"pods"`           // refs
	Late int      `json:"late,omitempty"` // how many forks there was no time for
}

// Down has each pod that runs hear that the host is about to stop it.
func (c *Client) Down(ctx context.Context) (DownReply, error) {
	var r DownReply
	err := c.call(ctx, TypeDown, struct{}{}, &r)
	return r, err
}

// OperatorVerb runs a control word as the operator. It returns what goes to stdout.
func (c *Client) OperatorVerb(ctx context.Context, q VerbRequest) ([]byte, error) {
	return c.text(ctx, question{kind: TypeOperatorVerb, body: q})
}

// Status asks how the warden is.
func (c *Client) Status(ctx context.Context) (StatusReply, error) {
	var r StatusReply
	err := c.call(ctx, TypeStatus, struct{}{}, &r)
	return r, err
}

// RepoCreate makes a repository from source, which may be nil for an empty one. progress gets a line now and then.
func (c *Client) RepoCreate(ctx context.Context, q RepoCreateRequest, source *os.File, progress func(string)) error {
	var files []*os.File
	if source != nil {
		files = append(files, source)
	}
	return c.work(ctx, question{kind: TypeRepoCreate, body: q, files: files, progress: progress}, &struct{}{})
}

// Reading has the record say what the operator is about to read.
func (c *Client) Reading(ctx context.Context, command string) error {
	return c.call(ctx, TypeReading, ReadingRequest{command}, &struct{}{})
}

// RepoRemove removes a repository that has no forks, and all its data. What is understood to be deleted is its name once more.
func (c *Client) RepoRemove(ctx context.Context, name, understood string) error {
	return c.call(ctx, TypeRepoRemove, RepoRemoveRequest{Name: name, Understood: understood}, &struct{}{})
}

// RepoRun runs a command in a repository. The session is the caller's to wait for and to close.
func (c *Client) RepoRun(ctx context.Context, q RepoRunRequest) (*Session, error) {
	var r OpenReply
	files, err := c.exchange(ctx, question{kind: TypeRepoRun, body: q}, &r)
	if err != nil {
		return nil, err
	}
	return newSession(r, files, OpenRequest{})
}

// RootfsImport makes a rootfs from a tar file, and makes it the current one.
func (c *Client) RootfsImport(ctx context.Context, name string, tar *os.File, progress func(string)) (Rootfs, error) {
	var r Rootfs
	err := c.work(ctx, question{
		kind: TypeRootfsImport, body: RootfsImportRequest{Source: name}, files: []*os.File{tar}, progress: progress,
	}, &r)
	return r, err
}

// RootfsList lists what is in the pool.
func (c *Client) RootfsList(ctx context.Context) ([]Rootfs, error) {
	var r RootfsListReply
	err := c.call(ctx, TypeRootfsList, struct{}{}, &r)
	return r.Rootfs, err
}

// work is an exchange whose reply has no descriptors.
func (c *Client) work(ctx context.Context, q question, r any) error {
	files, err := c.exchange(ctx, q, r)
	wire.CloseAll(files)
	return err
}
