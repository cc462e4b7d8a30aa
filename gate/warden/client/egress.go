package client

import "context"

// TypeDenied is forkgate-egress's only message.
const TypeDenied = "denied"

// MaxDenied is how many are told of in one.
const MaxDenied = 64

// Denied is what a pod wanted to reach by name, and did not.
type Denied struct {
	GUID  string `json:"guid"`           // the pod
	Host  string `json:"host,omitempty"` // as somebody in it said; empty: none was
	Port  uint16 `json:"port,omitempty"`
	Why   string `json:"why"`
	Count int    `json:"count"`
}

// DeniedRequest tells of some.
type DeniedRequest struct {
	Denied []Denied `json:"denied"`
}

// Denied has the record tell of what pods did not reach, and says of how many it has.
func (c *Client) Denied(ctx context.Context, all []Denied) (told int, err error) {
	for told < len(all) {
		some := all[told:min(len(all), told+MaxDenied)]
		if err := c.call(ctx, TypeDenied, DeniedRequest{some}, &struct{}{}); err != nil {
			return told, err
		}
		told += len(some)
	}
	return told, nil
}
