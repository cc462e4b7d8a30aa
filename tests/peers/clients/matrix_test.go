package clients

import (
	"maps"
	"slices"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/need"
)

func TestMain(m *testing.M) { need.Parallel(m) }

// matrix is all clients.
func matrix() []row {
	rows := slices.Concat(openSSH, putty, libraries)
	_, extra := reverse()
	for i := range rows {
		rows[i].does = maps.Clone(rows[i].does)
		maps.Copy(rows[i].does, extra[rows[i].name])
	}
	return rows
}

func TestClients(t *testing.T) {
	needClients(t)
	rows := append(matrix(), nobody)
	w := newWorld(t, cast(rows, stories()))
	shown := make([]map[string]string, len(rows))
	t.Run("all", func(t *testing.T) {
		for i, r := range rows {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				if r.name == nobody.name {
					r.isNoticed(t, w, i)
					return
				}
				shown[i] = r.cells(t, w, i, columns())
			})
		}
		for i, s := range stories() {
			t.Run(s.who(), func(t *testing.T) {
				t.Parallel()
				s.run(t, w, len(rows)+i)
			})
		}
	})
	t.Log("\n" + table(matrix(), columns(), shown))
}

// cast gives everybody a principal.
func cast(rows []row, stories []story) host.Options {
	o := host.Options{People: []string{"person"}}
	for _, r := range rows {
		o.Agents = append(o.Agents, r.name)
	}
	for _, s := range stories {
		if s.person {
			o.People = append(o.People, s.who())
		} else {
			o.Agents = append(o.Agents, s.who())
		}
	}
	return o
}

func needClients(t *testing.T) {
	need.Systemd(t)
	need.Tools(t, "ssh", "scp", "sftp", "sshfs", "rsync", "git", "lftp", "plink", "pscp", "psftp", "puttygen", "dbclient", "dropbearconvert",
		"curl", "rclone", "cc", "socat", "ssh-keygen", "sshd", "emacs", "vim.basic")
	need.Files(t, "/usr/lib/python3/dist-packages/paramiko/__init__.py", "/usr/lib/python3/dist-packages/asyncssh/__init__.py", "/usr/include/libssh/sftp.h")
}

// nobody is a client that does nothing, and says that all went well.
var nobody = row{name: "nobody"}

// isNoticed is the control: no column takes nothing for something.
func (r row) isNoticed(t *testing.T, w *world, nth int) {
	r.does, r.keys = map[string]string{}, kinds
	k := w.work(t, r.name, nth)
	for _, c := range columns() {
		r.does[c.name] = ":"
		if said, _, err := r.cell(t, k, c); err == nil {
			t.Errorf("%s: who does nothing is shown as %q", c.name, said)
		}
	}
}

// Each row has what its columns ask for, and nothing that no column asks for.
func TestRowsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range matrix() {
		if seen[r.name] || len(r.does) == 0 {
			t.Errorf("%s: there are two of it, or it does nothing", r.name)
		}
		seen[r.name] = true
		for name := range r.does {
			if !slices.ContainsFunc(columns(), func(c column) bool { return c.name == name }) {
				t.Errorf("%s: there is no column %s", r.name, name)
			}
		}
		for _, refusal := range []string{"refused", "files refused", "forward refused"} {
			if r.shows[refusal] == "" && r.does[refusal] != "" || r.does["refused"] == "" {
				t.Errorf("%s: what does it make of a refusal?", r.name)
			}
		}
		if (r.does["keys"] != "") != (len(r.keys) > 0) {
			t.Errorf("%s: which keys?", r.name)
		}
	}
}
