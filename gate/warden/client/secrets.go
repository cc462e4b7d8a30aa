package client

import (
	"context"
	"time"
)

// Message types of secrets, of the operator's socket. There is none that reads a value.
const (
	TypeSecretSet    = "secret-set"
	TypeSecretList   = "secret-list"
	TypeSecretRemove = "secret-remove"
)

// SecretSetRequest gives a repository a value, or all forks of it another.
type SecretSetRequest struct {
	Repo     string `json:"repo"`
	Name     string `json:"name"`
	Forks    bool   `json:"forks,omitempty"`
	Variable bool   `json:"variable,omitempty"` // in the environment of sessions as well
	Value    []byte `json:"value"`
}

// SecretRemoveRequest takes one back.
type SecretRemoveRequest struct {
	Repo  string `json:"repo"`
	Name  string `json:"name"`
	Forks bool   `json:"forks,omitempty"`
}

// SecretListRequest asks what a repository is given.
type SecretListRequest struct {
	Repo string `json:"repo"`
}

// Secret is one, without its value.
type Secret struct {
	Name     string    `json:"name"`
	Forks    bool      `json:"forks"` // it is the forks' value
	Variable bool      `json:"variable"`
	Set      time.Time `json:"set"`
}

// SecretListReply lists them by name.
type SecretListReply struct {
	Secrets []Secret `json:"secrets"`
}

// SecretSet gives a value.
func (c *Client) SecretSet(ctx context.Context, q SecretSetRequest) error {
	return c.call(ctx, TypeSecretSet, q, &struct{}{})
}

// SecretRemove takes a value back.
func (c *Client) SecretRemove(ctx context.Context, q SecretRemoveRequest) error {
	return c.call(ctx, TypeSecretRemove, q, &struct{}{})
}

// Secrets lists what a repository is given.
func (c *Client) Secrets(ctx context.Context, repo string) ([]Secret, error) {
	var r SecretListReply
	err := c.call(ctx, TypeSecretList, SecretListRequest{repo}, &r)
	return r.Secrets, err
}
