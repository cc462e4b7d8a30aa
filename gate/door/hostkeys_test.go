package door_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/door"
	"forkgate/gate/door/doortest"
)

// A stock client learns a key that the host will have, and then knows the host by that alone; one that has not learned it does not.
func TestClientsLearnTheNextKey(t *testing.T) {
	t.Parallel()
	var next ssh.Signer
	p := open(t, func(w *doortest.Warden, _ *door.Config) {
		next = doortest.New(t).HostKey
		w.NextKey = next
	})
	known := filepath.Join(p.dir, "known_hosts")
	host, port, _ := strings.Cut(p.addr, ":")
	write(t, known, "["+host+"]:"+port+" "+string(ssh.MarshalAuthorizedKey(p.warden.HostKey.PublicKey())))
	strict := []string{"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + known}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(next.PublicKey())))
	// It ends when its client has learned the key, or is given up on.
	learning := "timeout 20 sh -c 'until grep -qF \"" + line + "\" " + known + "; do sleep 0.05; done'"
	if got := run(t, p.ssh("ssh", append(strict, "-o", "UpdateHostKeys=yes", "demo@host", learning)...), ""); got.Code != 0 {
		t.Fatalf("it does not learn the key: %+v", got)
	}
	// A client that asks about a key which the host does not have gets no proof of it, and learns nothing.
	c := p.dial("demo")
	if ok, _, err := c.SendRequest("hostkeys-prove-00@openssh.com", true, ssh.Marshal(struct{ Key []byte }{doortest.New(t).HostKey.PublicKey().Marshal()})); ok || err != nil {
		t.Errorf("a foreign key is proved: %t, %v", ok, err)
	}
	for _, bad := range []string{"", "\xff", "\x00\x00\x00\x09x"} {
		if ok, _, err := c.SendRequest("hostkeys-prove-00@openssh.com", true, []byte(bad)); ok || err != nil {
			t.Errorf("%q is proved: %t, %v", bad, ok, err)
		}
	}
}
