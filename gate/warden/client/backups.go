package client

import (
	"context"
	"os"
	"time"
)

// Message types of backups, of the operator's socket.
const (
	TypeKeep    = "keep"
	TypeKept    = "kept"
	TypeDrop    = "drop"
	TypeRestore = "restore"
)

// KeepRequest sets a repository aside as it is now, for a backup.
type KeepRequest struct {
	Repo string `json:"repo"`
	For  string `json:"for"` // where the backup goes, for messages and for finding it again
}

// Kept is a snapshot of a repository that is set aside.
type Kept struct {
	ID   string    `json:"id"`
	Repo string    `json:"repo"`
	GUID string    `json:"guid"` // of the repository
	For  string    `json:"for"`
	Made time.Time `json:"made"`
	Path string    `json:"path"` // a read-only subvolume, root's to read
}

// KeptReply lists what is set aside, oldest first.
type KeptReply struct {
	Kept []Kept `json:"kept"`
}

// DropRequest ends what a kept snapshot was for.
type DropRequest struct {
	ID   string `json:"id"`
	Why  string `json:"why"`            // what has become of the backup, for the record
	Done string `json:"done,omitempty"` // digest of the manifest of a backup that is finished: its snapshot stays, for the next to go on from
}

// RestoreRequest makes a repository of a backup. With it comes one descriptor, of a pipe with the streams.
type RestoreRequest struct {
	Name   string `json:"name"`
	ID     string `json:"id"`     // of the backup that it becomes
	Source string `json:"source"` // where that lies, for messages
	Digest string `json:"digest"` // of its manifest, for the record
}

// Keep sets a repository aside.
func (c *Client) Keep(ctx context.Context, q KeepRequest) (Kept, error) {
	var k Kept
	err := c.call(ctx, TypeKeep, q, &k)
	return k, err
}

// Kept lists what is set aside.
func (c *Client) Kept(ctx context.Context) ([]Kept, error) {
	var r KeptReply
	err := c.call(ctx, TypeKept, struct{}{}, &r)
	return r.Kept, err
}

// Drop has the record say what has become of a backup, and its snapshot removed unless the backup is done.
func (c *Client) Drop(ctx context.Context, q DropRequest) error {
	return c.call(ctx, TypeDrop, q, &struct{}{})
}

// Restore makes a repository of what comes through a pipe.
func (c *Client) Restore(ctx context.Context, q RestoreRequest, stream *os.File, progress func(string)) error {
	return c.work(ctx, question{kind: TypeRestore, body: q, files: []*os.File{stream}, progress: progress}, &struct{}{})
}
