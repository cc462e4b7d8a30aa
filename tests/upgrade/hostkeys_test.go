package upgrade_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/need"
)

// TestHostKeys has new host keys follow the old ones: who came meanwhile notices nothing, and who did not is told of a changed key.
func TestHostKeys(t *testing.T) {
	need.Tools(t, "ssh", "ssh-keyscan")
	s := &stage{Host: host.Start(t, host.Options{Agents: []string{"bot"}})}
	s.Repo(t, "demo")
	known := func(name string) string { return filepath.Join(s.Dir, name) }
	text, err := os.ReadFile(known("known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"learns", "stays away"} {
		if err := os.WriteFile(known(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	visit := func(name, command string) error {
		return s.SSH(t.Context(), "-o", `UserKnownHostsFile="`+known(name)+`"`, "-o", "UpdateHostKeys=yes", "demo+x@bot", command).Run()
	}
	s.Must(t, "forkgate", "hostkey", "add")
	s.Must(t, "systemctl", "restart", "forkgate-warden")
	next := strings.TrimSpace(s.Must(t, "cat", "/var/lib/forkgate/hostkeys/ssh_host_ecdsa_key.next.pub"))
	held := start(t, "a client that learns", s.SSH(t.Context(), "-o", "UserKnownHostsFile="+known("learns"), "-o", "UpdateHostKeys=yes", "demo+x@bot", "until [ -e go ]; do sleep 0.1; done"), io.Discard)
	need.Eventually(t, "it has learned the keys", func() bool {
		now, _ := os.ReadFile(known("learns"))
		return strings.Contains(string(now), next)
	})
	outer(t, s.SSH(t.Context(), "demo+x@bot", "touch go").Args...)
	held.finish(t)
	// One that was there before has new keys exchanged after it: it knows the old ones alone.
	before := start(t, "a client from before", s.SSH(t.Context(), "-o", "RekeyLimit=64K", "demo+x@bot", "touch there; until [ -e over ]; do sleep 0.1; done; head -c 1M /dev/zero"), io.Discard)
	need.Eventually(t, "it is there", func() bool { return s.SSH(t.Context(), "demo+x@bot", "test -e there").Run() == nil })
	s.Must(t, "forkgate", "hostkey", "retire")
	s.Must(t, "systemctl", "restart", "forkgate-warden")
	if err := visit("learns", "touch over"); err != nil {
		t.Fatal(err)
	}
	before.finish(t)
	if err := visit("learns", "true"); err != nil {
		t.Errorf("who has learned the keys does not get in: %v", err)
	}
	if err := visit("stays away", "true"); err == nil {
		t.Error("who has not learned the keys gets in: this shows nothing")
	}
	s.certify(t)
	if got := s.Must(t, "forkgate", "hostkey", "list"); strings.Count(got, "SHA256:") != 3 || strings.Contains(got, ".next") {
		t.Errorf("the keys are\n%s", got)
	}
}

// certify has clients that know an authority alone get in, by the name that it gives the host, and by no other.
func (s *stage) certify(t *testing.T) {
	t.Helper()
	const key = "/var/lib/forkgate/hostkeys/ssh_host_ed25519_key"
	s.Must(t, "sh", "-ec", "cd /root; for ca in ours theirs; do ssh-keygen -q -t ed25519 -N '' -f $ca; done; ssh-keygen -q -s ours -h -I gate -n 127.0.0.1 -V -1m:+1h $0.pub; mv $0-cert.pub /root/cert.pub", key)
	visit := func(authority, name string) error {
		t.Helper()
		file := filepath.Join(s.Dir, "authority")
		if err := os.WriteFile(file, []byte("@cert-authority * "+s.Must(t, "cat", "/root/"+authority+".pub")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return s.SSH(t.Context(), "-o", "UserKnownHostsFile="+file, "-o", "HostKeyAlias="+name, "demo+x@bot", "true").Run()
	}
	if visit("ours", "127.0.0.1") == nil {
		t.Error("who knows no key of the host gets in before it has a certificate: this shows nothing")
	}
	s.Must(t, "forkgate", "hostkey", "certify", "/root/cert.pub")
	s.Must(t, "systemctl", "restart", "forkgate-warden")
	if err := visit("ours", "127.0.0.1"); err != nil {
		t.Errorf("who knows the authority does not get in: %v", err)
	}
	if visit("theirs", "127.0.0.1") == nil || visit("ours", "elsewhere") == nil {
		t.Error("a certificate of another authority, or for another host, is good here")
	}
	if err := s.SSH(t.Context(), "demo+x@bot", "true").Run(); err == nil {
		t.Error("control: the old known_hosts is good still")
	}
}
