package doors

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/gate"
)

// house is a host on the disk, with sudo and a crontab open, whose programs are fakes.
type house struct {
	*Doors
	fake
	root    string
	failing string               // a program that fails, by the beginning of its command line
	watch   func(command string) // is told of each before it runs
}

func build(t *testing.T) *house {
	t.Helper()
	h := &house{root: t.TempDir(), fake: fake{programs: shut().programs}}
	f := shut()
	f.write("etc/sudoers", "root ALL=(ALL:ALL) ALL\nmallory ALL=(ALL) NOPASSWD: ALL") // no newline at its end
	f.write("var/spool/cron/crontabs/mallory", "* * * * * id\n")
	f.write("etc/gshadow", "docker:!::ada,mallory\ndisk:*::\n")
	f.write("etc/group", strings.Replace(group, "docker:x:999:ada", "docker:x:999:ada,mallory", 1))
	delete(f.files, "etc/cron.allow")
	for name, file := range f.files {
		if !file.Mode.IsRegular() || strings.HasPrefix(name, "proc/1/") {
			continue
		}
		h.put(t, name, string(file.Data))
	}
	h.put(t, "proc/sys/kernel/random/boot_id", "0a1b\n")
	run := h.fake.host().Run
	host := &Host{Files: os.DirFS(h.root), Attribute: attributesBelow(h.root), Vsock: h.hears, Program: "/usr/bin/forkgate", Run: func(ctx context.Context, argv ...string) (string, error) {
		command := strings.Join(argv, " ")
		if h.watch != nil {
			h.watch(command)
		}
		if h.failing != "" && strings.HasPrefix(command, h.failing) {
			return "", errors.New("it fails")
		}
		if argv[0] == "systemctl" && argv[1] != "show" || argv[0] == "visudo" {
			return "", nil
		}
		return run(ctx, argv...)
	}}
	h.Doors = &Doors{Host: host, State: filepath.Join(h.root, "var/lib/forkgate/doors"), Patience: time.Minute, Root: h.root, Proc: os.DirFS("/proc")}
	h.put(t, "etc/systemd/system/x", "")
	return h
}

func (h *house) put(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(h.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o640)); err != nil {
		t.Fatal(err)
	}
}

// shape is all of a house, but for where the ledger lies.
func (h *house) shape(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(h.root, func(name string, d fs.DirEntry, err error) error {
		if name == h.root+"/etc/.pwd.lock" {
			return nil
		}
		if name == h.State {
			return fs.SkipDir
		}
		info, wrong := d.Info()
		text := ""
		if d.Type().IsRegular() {
			b, failed := os.ReadFile(name)
			text, wrong = string(b), errors.Join(wrong, failed)
		}
		all[strings.TrimPrefix(name, h.root)] = info.Mode().String() + text
		return errors.Join(err, wrong)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func same(t *testing.T, when string, want, got map[string]string) {
	t.Helper()
	for name, text := range want {
		if got[name] != text && name != "/var/lib/forkgate" && name != "/var/lib" {
			t.Errorf("%s: %s is %q, and was %q", when, name, got[name], text)
		}
	}
	for name := range got {
		if _, was := want[name]; !was && name != "/var/lib" && name != "/var/lib/forkgate" {
			t.Errorf("%s: %s is left", when, name)
		}
	}
}

var some3 = []string{"sudo", "cron", "groups"}

func TestCloseAndUndo(t *testing.T) {
	h := build(t)
	before := h.shape(t)
	armed := false
	h.watch = func(command string) {
		if command == "systemctl start forkgate-doors-rollback.timer" {
			armed = true
			now := h.shape(t)
			if now["/etc/sudoers"] != before["/etc/sudoers"] || now["/var/spool/cron/crontabs/mallory"] != before["/var/spool/cron/crontabs/mallory"] {
				t.Error("something is changed before it would be taken back")
			}
		}
	}
	done, err := h.Close(t.Context(), some3...)
	if err != nil || len(done.Ways) != 3 || !armed {
		t.Fatal(done, err, armed)
	}
	if !h.holds(t) {
		t.Error("forkgate's package would be removed from a host whose doors are closed")
	}
	after := h.shape(t)
	for name, want := range map[string]string{
		"/etc/sudoers": "NOPASSWD: ALL\n# " + mark + "\n" + denial + "\n", "/etc/cron.allow": "root\nada\n", "/etc/gshadow": "docker:!::ada\ndisk:*::\n", "/etc/group": "docker:x:999:ada\n",
	} {
		if !strings.Contains(after[name], want) {
			t.Errorf("%s is %q", name, after[name])
		}
	}
	if _, there := after["/var/spool/cron/crontabs/mallory"]; there {
		t.Error("the crontab is there")
	}
	for _, r := range Examine(t.Context(), h.Host) {
		if r.State == Open && (r.Way == "sudo" || r.Way == "cron" || r.Way == "groups") {
			t.Errorf("still open: %+v", r)
		}
	}
	if _, err := h.Close(t.Context(), All); err == nil || !strings.Contains(err.Error(), "waits to be confirmed") {
		t.Errorf("closed on top of what is not confirmed: %v", err)
	}
	if err := h.Undo(t.Context()); err != nil {
		t.Error(err)
	}
	if h.holds(t) {
		t.Error("forkgate's package would not be removed, with nothing closed")
	}
	same(t, "undone", before, h.shape(t))
	if err := h.Undo(t.Context()); err != nil {
		t.Errorf("with nothing to undo: %v", err)
	}
}

// holds reports what packaging/deb/forkgate.prerm and the Makefile look for in the ledger before forkgate goes.
func (h *house) holds(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.State, "ledger.json"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), `"way"`)
}

// Whoever closes may be killed at any moment: what systemd starts then has all that it needs.
func TestRollback(t *testing.T) {
	for _, dies := range []string{"systemctl daemon-reload", "systemctl start", "visudo -c", "never"} {
		h := build(t)
		before := h.shape(t)
		type killed struct{}
		h.watch = func(command string) {
			if strings.HasPrefix(command, dies) {
				h.watch = nil
				panic(killed{})
			}
		}
		func() {
			defer func() {
				if p := recover(); p != nil && p != (killed{}) {
					panic(p)
				}
			}()
			if _, err := h.Close(t.Context(), "groups", "cron", "sudo"); err != nil {
				t.Errorf("%s: %v", dies, err)
			}
		}()
		h.watch = nil
		begun := !strings.HasPrefix(dies, "systemctl") // before that nothing is closed, and what is armed finds nothing to take back
		done, err := h.Rollback(t.Context())
		if done != begun || err != nil || h.armed() {
			t.Errorf("killed at %s: %t, %v", dies, done, err)
		}
		same(t, "killed at "+dies, before, h.shape(t))
		if done, err := h.Rollback(t.Context()); done || err != nil {
			t.Errorf("once more: %t, %v", done, err)
		}
	}
}

func TestWhatFailsChangesNothing(t *testing.T) {
	for failing, ways := range map[string][]string{
		"systemctl start forkgate-doors-rollback.timer": some3, "systemctl is-active": some3, "systemctl daemon-reload": some3, "sshd -t": {"sudo", "sshd root"},
	} {
		h := build(t)
		before := h.shape(t)
		h.failing = failing
		h.programs["sshd -T"] = strings.Replace(sshdSays, "permitrootlogin no", "permitrootlogin yes", 1)
		_, err := h.Close(t.Context(), ways...)
		if err == nil {
			t.Errorf("%s fails, and that is no error", failing)
		}
		same(t, failing+" fails", before, h.shape(t))
		if b, err := h.openBook(); err != nil || b.Pending != nil || len(b.Changes) > 0 {
			t.Errorf("%s fails, and the ledger has %+v, %v", failing, b.ledger, err)
		}
	}
}

func TestCloseRefuses(t *testing.T) {
	for says, breaks := range map[string]func(*house){
		"nobody would be left": func(h *house) { h.put(t, "home/ada/.ssh/authorized_keys", "# none\n") },
		"nobody would be left:": func(h *house) {
			h.put(t, "etc/group", strings.Replace(group, "forkgate-admin:x:998:ada", "forkgate-admin:x:998:", 1))
		},
		"nobody would be left: no": func(h *house) {
			h.put(t, "etc/passwd", strings.Replace(passwd, "/home/ada:/bin/bash", "/home/ada:/usr/sbin/nologin", 1))
		},
		"nobody would be left: no account":  func(h *house) { h.put(t, "etc/shadow", strings.Replace(shadow, "ada:!:1:::::", "ada:!:1:::::1", 1)) },
		"nobody can tell who would be left": func(h *house) { h.failing = "sshd -T" },
		"cannot read the ledger":            func(h *house) { h.put(t, "var/lib/forkgate/doors/ledger.json", "{") },
	} {
		h := build(t)
		breaks(h)
		before := h.shape(t)
		if _, err := h.Close(t.Context(), All); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(says, ":")) {
			t.Errorf("want %q: %v", says, err)
		}
		same(t, says, before, h.shape(t))
	}
	h := build(t)
	for name, says := range map[string]string{"sudoo": "there is no way", "boot": "for you to close"} {
		if _, err := h.Close(t.Context(), name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		} else if _, refused := gate.AsRefusal(err); !refused {
			t.Errorf("it is no refusal: %v", err)
		}
	}
}

// A password is no use to who comes by a sshd that takes none: but it is at the console.
func TestAnAdminWithAPasswordAlone(t *testing.T) {
	h := build(t)
	h.put(t, "home/ada/.ssh/authorized_keys", "")
	h.put(t, "etc/shadow", strings.Replace(shadow, "ada:!", "ada:$y$x", 1))
	h.put(t, "etc/pam.d/sshd", "@include common-account\n")
	if _, err := h.Close(t.Context(), "sshd"); err == nil {
		t.Error("sshd is closed, by which no admin gets in")
	}
	if _, err := h.Close(t.Context(), "sudo"); err != nil {
		t.Error(err)
	}
}

func TestWhatWasChangedSinceStays(t *testing.T) {
	h := build(t)
	if _, err := h.Close(t.Context(), some3...); err != nil {
		t.Fatal(err)
	}
	sudoers, _ := os.ReadFile(h.root + "/etc/sudoers")
	h.put(t, "etc/sudoers", string(sudoers)+"bob ALL = ALL\n")
	h.put(t, "etc/cron.allow", "root\n")
	h.put(t, "etc/group", strings.Replace(group, "forkgate-admin:x", "new:x:1003:\nforkgate-admin:x", 1))
	err := h.Undo(t.Context())
	if err == nil || !strings.Contains(err.Error(), "/etc/cron.allow was changed after it was made") {
		t.Errorf("got %v", err)
	}
	if l := h.ledger(t); len(l.Changes) > 0 {
		t.Errorf("the ledger has %+v", l)
	}
	if err := h.Undo(t.Context()); err != nil {
		t.Errorf("once more: %v", err)
	}
	after := h.shape(t)
	if got := after["/etc/sudoers"]; strings.Contains(got, denial) || !strings.Contains(got, "bob") {
		t.Errorf("sudoers is %q", got)
	}
	if got := after["/etc/group"]; !strings.Contains(got, "new:x:1003:\n") || !strings.Contains(got, "docker:x:999:ada,mallory\n") || !strings.Contains(got, "disk:x:6:\n") {
		t.Errorf("group is %q", got)
	}
}

// What cannot be told from what somebody did since is saved, and nobody asks for it again.
func TestWhatItWasIsSaved(t *testing.T) {
	h := build(t)
	h.put(t, "etc/cron.allow", "root\nmallory\n")
	if _, err := h.Close(t.Context(), "cron"); err != nil {
		t.Fatal(err)
	}
	h.put(t, "etc/cron.allow", "root\nbob\n")
	if err := h.Undo(t.Context()); err == nil || !strings.Contains(err.Error(), "/etc/cron.allow was changed since") {
		t.Errorf("got %v", err)
	}
	if saved, err := os.ReadFile(h.State + "/before.etc.cron.allow"); err != nil || string(saved) != "root\nmallory\n" {
		t.Errorf("what it was is %q, %v", saved, err)
	}
	if text, err := os.ReadFile(h.State + "/ledger.json"); err != nil || strings.Contains(string(text), `"way"`) {
		t.Errorf("the ledger is %s, %v", text, err)
	}
	if err := h.Undo(t.Context()); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// Who writes a file between that it is looked at and that it is changed loses nothing.
func TestNothingOfOthersIsLost(t *testing.T) {
	for name, text := range map[string]string{"etc/group": group + "late:x:1003:\n", "etc/cron.allow": "late\n", "var/spool/cron/crontabs/mallory": "late"} {
		h := build(t)
		for way, shut := range map[string]func(context.Context, *Host) ([]step, error){"groups": closeGroups, "cron": closeCron} {
			steps, err := shut(t.Context(), h.Host)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range steps {
				if s.path != "/"+name {
					continue
				}
				c, err := h.plan(way, s)
				if err != nil {
					t.Fatal(err)
				}
				h.put(t, name, text)
				if err := h.make(c, s); !errors.Is(err, errChanged) {
					t.Errorf("%s: %v", name, err)
				}
				if _, err := h.plan(way, s); s.was != "" && !errors.Is(err, errChanged) {
					t.Errorf("%s, planned: %v", name, err)
				}
			}
		}
		if now, err := os.ReadFile(h.root + "/" + name); err != nil || string(now) != text {
			t.Errorf("%s is %q, %v", name, now, err)
		}
	}
}

// crontab(1) reads it as who asks.
func TestWhoIsAllowedMayReadThat(t *testing.T) {
	h := build(t)
	if _, err := h.Close(t.Context(), "cron"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(h.root + "/etc/cron.allow"); err != nil || info.Mode() != 0o644 {
		t.Error(info.Mode(), err)
	}
}

// A setuid program may lie where everybody writes: another file by its name is left alone.
func TestChmodIsOfOneFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	write := func(mode fs.FileMode) {
		_ = os.Remove(name)
		if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Chmod(name, mode)); err != nil {
			t.Fatal(err)
		}
	}
	write(0o700)
	was, err := look(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := chmod(name, was, 0o755); err != nil {
		t.Errorf("control: %v", err)
	}
	keep := name + ".keep"
	if err := os.Rename(name, keep); err != nil { // so that its inode is not given to the next
		t.Fatal(err)
	}
	write(0o600)
	if err := chmod(name, was, 0o4755); err == nil {
		t.Error("another file is changed")
	}
	if err := errors.Join(os.Remove(name), os.Symlink(keep, name)); err != nil {
		t.Fatal(err)
	}
	if err := chmod(name, was, 0o4755); err == nil {
		t.Error("a link is followed")
	}
	if info, err := os.Stat(keep); err != nil || info.Mode() != 0o755 {
		t.Error(info.Mode(), err)
	}
}

func TestConfirmWantsALogin(t *testing.T) {
	h := build(t)
	if err := h.Confirm(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing waits") {
		t.Errorf("with nothing to confirm: %v", err)
	}
	if _, err := h.Close(t.Context(), "sudo"); err != nil {
		t.Fatal(err)
	}
	if err := h.Confirm(t.Context()); err == nil || !strings.Contains(err.Error(), "no new connection") {
		t.Errorf("a test is no login: %v", err)
	}
	h.put(t, "proc/sys/kernel/random/boot_id", "another\n")
	if err := h.Confirm(t.Context()); err == nil || !strings.Contains(err.Error(), "being taken back") {
		t.Errorf("after a boot: %v", err)
	}
}

func TestAdmit(t *testing.T) {
	sshd, login := Login{Type: "account", Service: "sshd", User: "u", From: "192.0.2.1"}, Login{Type: "account", Service: "login", User: "u", Terminal: "tty1"}
	far := login
	far.From = "192.0.2.1"
	for _, c := range []struct {
		name  string
		l     Login
		i     Identity
		let   bool
		glass bool
	}{
		{"nobody in particular", sshd, Identity{}, false, false},
		{"the same on the console", login, Identity{}, false, false},
		{"an admin", sshd, Identity{Admin: true}, true, true},
		{"an admin on the console", login, Identity{Admin: true}, true, true},
		{"root by ssh", sshd, Identity{Root: true}, false, false},
		{"root on the console", login, Identity{Root: true}, true, true},
		{"root by telnet, whose login it is", far, Identity{Root: true}, false, false},
		{"root who is an admin", sshd, Identity{Root: true, Admin: true}, true, true},
		{"a forced account", sshd, Identity{Forced: true}, true, false},
		{"a forced account on the console", login, Identity{Forced: true}, false, false},
		{"an admin by su", Login{Type: "account", Service: "su", User: "u"}, Identity{Admin: true}, false, false},
		{"an admin in another stack", Login{Type: "auth", Service: "sshd", User: "u"}, Identity{Admin: true}, false, false},
		{"nothing at all", Login{}, Identity{}, false, false},
	} {
		if v := Admit(c.l, c.i); v.Let != c.let || v.Glass != c.glass || v.Why == "" {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
	if v := (Verdict{}); v.Let {
		t.Error("the zero verdict lets in")
	}
}

func TestForcedIsByItsShell(t *testing.T) {
	for _, c := range []struct {
		one  account
		in   bool
		want bool
	}{
		{account{uid: 7, shell: "/usr/bin/forkgate"}, true, true}, {account{uid: 7, shell: "/usr/bin/forkgate"}, false, false},
		{account{uid: 7, shell: "/bin/bash"}, true, false}, {account{uid: 0, shell: "/usr/bin/forkgate"}, true, false}, {account{uid: 7}, true, false},
	} {
		if got := forced(c.one, c.in); got != c.want {
			t.Errorf("%+v, %t: %t", c.one, c.in, got)
		}
	}
}

// What is open after all is not told to be closed: mallory's first group is one of those.
func TestWhatStaysOpenIsSaid(t *testing.T) {
	h := build(t)
	h.put(t, "etc/passwd", strings.Replace(passwd, "1001:1001", "1001:6", 1))
	done, err := h.Close(t.Context(), some3...)
	if err := h.Look(t.Context(), &done); err != nil {
		t.Error(err)
	}
	if err != nil || slices.Contains(done.Ways, "groups") || !slices.Contains(done.Left, "groups") || len(done.Ways) != 2 || done.Until.IsZero() {
		t.Errorf("%+v, %v", done, err)
	}
}

// The disk is looked through before the time runs.
func TestWhatTakesLongIsDoneBefore(t *testing.T) {
	h := build(t)
	h.put(t, "opt/x", "")
	if err := os.Chmod(h.root+"/opt/x", fs.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	attribute := h.Host.Attribute
	h.Host.Attribute = func(name, what string) ([]byte, error) {
		if h.armed() && what == "security.capability" {
			t.Error("it is looked for while the time runs")
		}
		return attribute(name, what)
	}
	done, err := h.Close(t.Context(), "setuid", "sudo")
	if err != nil || len(done.Ways) != 2 {
		t.Error(done, err)
	}
	if info, err := os.Stat(h.root + "/opt/x"); err != nil || info.Mode() != 0o755 {
		t.Error(info.Mode(), err)
	}
}
