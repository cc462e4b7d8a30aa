package host_test

import (
	"strings"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/machine"
	"forkgate/tests/need"
)

func TestMain(m *testing.M) { need.Parallel(m) }

func TestAHostIsAHost(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Options{People: []string{"alice"}, Agents: []string{"bot"}, Keys: []string{"stranger"}})
	h.Repo(t, "demo", "/etc/systemd")
	for _, test := range []struct {
		where, want string
		code        int
	}{
		{"demo+x@bot", "uid=7111(rediacc)", 0},
		{"demo@alice", "uid=7111(rediacc)", 0},
		{"demo@bot", "", 254},
		{"demo@stranger", "", 255},
	} {
		r := machine.RunCommand(t, h.SSH(t.Context(), test.where, "id"))
		if r.Code != test.code || !strings.HasPrefix(r.Stdout, test.want) {
			t.Errorf("ssh %s id: exit code %d, want %d\n%s%s", test.where, r.Code, test.code, r.Stdout, r.Stderr)
		}
	}
	t.Run("doctor", func(t *testing.T) { doctor(t, h) })
}
