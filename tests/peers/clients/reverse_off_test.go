//go:build !reverse

package clients

// reverse is in reverse_test.go, for gates that listen inside and bring an ssh-agent along.
func reverse() ([]column, map[string]map[string]string) { return nil, nil }
