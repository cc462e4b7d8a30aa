package client

import "context"

// LoginRequest says who logs in to the host itself, past pods, or is kept from it: what forkgate pam has found, which PAM has root start.
type LoginRequest struct {
	Account  string `json:"account"`
	Service  string `json:"service"`            // of PAM
	Terminal string `json:"terminal,omitempty"` // the same
	From     string `json:"from,omitempty"`     // the other host, as the service names it
	Let      bool   `json:"let,omitempty"`
	Why      string `json:"why"`
}

// Login has the record say who logs in to the host itself. Who is let in is let in only once it is there.
func (c *Client) Login(ctx context.Context, q LoginRequest) error {
	return c.call(ctx, TypeLogin, q, &struct{}{})
}
