package client

import (
	"context"
	"time"
)

// Message types about security keys, of the operator's socket alone.
const (
	TypeKeyEnroll = "key-enroll"
	TypeKeyList   = "key-list"
	TypeKeyRemove = "key-remove"
)

// KeyEnrollRequest enrolls a security key that its maker attests. Its fields are what is in files.
type KeyEnrollRequest struct {
	Name        string `json:"name"`
	Principal   string `json:"principal"`
	Key         []byte `json:"key"`         // a line as in authorized_keys (sshd(8))
	Attestation []byte `json:"attestation"` // of ssh-keygen -O write-attestation=FILE
	Challenge   []byte `json:"challenge"`   // of ssh-keygen -O challenge=FILE
	Roots       []byte `json:"roots"`       // PEM
}

// SecurityKey is one of which a touch counts, or would.
type SecurityKey struct {
	Name        string    `json:"name"`
	Principal   string    `json:"principal"`
	Fingerprint string    `json:"fingerprint"` // SHA256:...
	Enrolled    bool      `json:"enrolled"`    // else policy marks it
	Known       bool      `json:"known"`       // policy has the principal
	Asked       bool      `json:"asked"`       // for a touch, when its principal logs in
	Model       string    `json:"model,omitempty"`
	By          string    `json:"by,omitempty"`     // subject of the maker's certificate
	Issuer      string    `json:"issuer,omitempty"` // and who issued that
	At          time.Time `json:"at,omitzero"`
}

// KeyListReply lists security keys.
type KeyListReply struct {
	Keys []SecurityKey `json:"keys"`
}

// KeyRemoveRequest removes an enrolled one.
type KeyRemoveRequest struct {
	Name string `json:"name"`
}

// KeyEnroll enrolls a security key.
func (c *Client) KeyEnroll(ctx context.Context, q KeyEnrollRequest) (SecurityKey, error) {
	var r SecurityKey
	err := c.call(ctx, TypeKeyEnroll, q, &r)
	return r, err
}

// KeyList lists the security keys.
func (c *Client) KeyList(ctx context.Context) ([]SecurityKey, error) {
	var r KeyListReply
	err := c.call(ctx, TypeKeyList, struct{}{}, &r)
	return r.Keys, err
}

// KeyRemove removes an enrolled security key.
func (c *Client) KeyRemove(ctx context.Context, name string) error {
	return c.call(ctx, TypeKeyRemove, KeyRemoveRequest{Name: name}, &struct{}{})
}
