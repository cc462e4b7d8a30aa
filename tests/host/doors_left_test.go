package host_test

import (
	"encoding/json"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/ways"
)

// leftWays are ways that forkgate doors tells of and closes by nothing: mallory comes in by each, or nobody does, behind doors that are closed. What the row has
// the admin type ends it, or where that is a choice does so here.
var leftWays = []struct {
	ways.Entry
	opens, does string
}{
	{ways.Entry{Way: "passwords", Comes: `test "$(runuser -u nobody -- su -c 'id -u' </dev/null)" = 0`}, "passwd --delete root", "passwd --lock root"},
	{
		ways.Entry{Way: "ssh keys", Comes: `runuser -u mallory -- cp /home/mallory/.ssh/authorized_keys /srv/keys/ada && $ssh ada@127.0.0.1 sudo -n true`},
		`mkdir -m 777 /srv/keys && printf 'StrictModes no\nAuthorizedKeysFile .ssh/authorized_keys /srv/keys/%%u\n' >/etc/ssh/sshd_config.d/00-careless.conf && systemctl reload ssh`,
		`sed -i 's/StrictModes no/StrictModes yes/' /etc/ssh/sshd_config.d/00-careless.conf && systemctl reload ssh`,
	},
	{
		ways.Entry{Way: "groups", Comes: `gpasswd -d mallory kmem 2>/dev/null; runuser -u mallory -- gpasswd -a mallory kmem && gpasswd -d mallory kmem`},
		"gpasswd -A mallory kmem", "",
	},
	{
		ways.Entry{Way: "root's files", Comes: `rm -f /run/motd-ran; runuser -u mallory -- sh -c 'echo "id -u >/run/motd-ran" >>/etc/update-motd.d/99-own' && ${ssh/mallory/ada} ada@127.0.0.1 true && test "$(cat /run/motd-ran)" = 0`},
		`mkdir -p /etc/update-motd.d && printf '#!/bin/sh\n' >/etc/update-motd.d/99-own && chmod 777 /etc/update-motd.d/99-own`, "",
	},
}

// leftToTheAdmin opens them where doors are closed.
func leftToTheAdmin(t *testing.T, h *host.Host) {
	type row struct{ Way, State, Found, Do string }
	rows := func() map[string]row {
		var all []row
		if err := json.Unmarshal([]byte(h.Run(t.Context(), t, "forkgate", "doors", "--json").Stdout), &all); err != nil {
			t.Fatal(err)
		}
		named := map[string]row{}
		for _, r := range all {
			named[r.Way] = r
		}
		return named
	}
	h.Must(t, "bash", "-ec", "mkdir /run/accounts && cp -a /etc/{passwd,group,shadow,gshadow}{,-} /run/accounts")
	for _, l := range leftWays {
		h.Must(t, "bash", "-ec", l.opens)
		if r := tries(t, h, l.Entry); r.Code != 0 {
			t.Errorf("control: %s is no way in: %s%s", l.Way, r.Stdout, r.Stderr)
		}
	}
	open := rows()
	for _, l := range leftWays {
		row := open[l.Way]
		if row.Do == "" {
			t.Errorf("doors knows nothing of it: %+v", row)
			continue
		}
		if l.does == "" {
			l.does = row.Do
		}
		h.Must(t, "bash", "-ec", l.does)
		if r := tries(t, h, l.Entry); r.Code == 0 {
			t.Errorf("%s is a way in after %s: %s%s", l.Way, l.does, r.Stdout, r.Stderr)
		}
	}
	shut := rows()
	for _, l := range leftWays {
		if row := shut[l.Way]; row.Do != "" {
			t.Errorf("it is said to be open after that: %+v", row)
		}
	}
	h.Must(t, "bash", "-ec", "rm -rf /etc/ssh/sshd_config.d/00-careless.conf /srv/keys /etc/update-motd.d/99-own /run/motd-ran && cp -a /run/accounts/* /etc && systemctl reload ssh")
}
