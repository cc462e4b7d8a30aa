package door_test

import (
	"testing"

	"golang.org/x/crypto/ssh"
)

// exitMessage runs a command and returns the last request that the server sends, in words.
func exitMessage(t *testing.T, p *place, addr, user, command string) string {
	t.Helper()
	c, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(p.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	channel, requests, err := c.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := channel.SendRequest("exec", true, ssh.Marshal(struct{ C string }{command})); err != nil {
		t.Fatal(err)
	}
	for r := range requests {
		switch r.Type {
		case "exit-status":
			return "status " + jsonOf(r.Payload)
		case "exit-signal":
			var m struct {
				Signal            string
				Core              bool
				Message, Language string
			}
			if err := ssh.Unmarshal(r.Payload, &m); err != nil {
				t.Fatal(err)
			}
			return "signal " + jsonOf(m)
		}
	}
	return "nothing"
}
