package doors

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// What a service has running is what the host is for, perhaps: it is named, and stays. What people have goes.
func TestWhatServicesHaveStays(t *testing.T) {
	h := build(t)
	h.put(t, "etc/passwd", passwd+"postgres:x:110:110::/var/lib/postgresql:/bin/bash\nwww-data:x:33:33::/:/usr/sbin/nologin\n")
	h.put(t, "var/spool/cron/crontabs/postgres", "* * * * * id\n")
	h.put(t, linger+"/postgres", "")
	h.put(t, linger+"/mallory", "")
	h.put(t, "etc/cron.d/php", "PATH=/bin\n09,39 * * * * root id\n5 * * * * www-data id\n")
	if _, err := h.Close(t.Context(), All); err != nil {
		t.Fatal(err)
	}
	now := h.shape(t)
	for name, stays := range map[string]bool{"crontabs/postgres": true, "crontabs/mallory": false, "linger/postgres": true, "linger/mallory": false} {
		there := slices.ContainsFunc(slices.Collect(maps.Keys(now)), func(file string) bool { return strings.HasSuffix(file, name) })
		if there != stays {
			t.Errorf("%s is there: %t", name, there)
		}
	}
	for _, r := range Examine(t.Context(), h.Host) {
		if (r.Way == "cron" || r.Way == "lingering") && (r.State != Open || !strings.Contains(r.Found, "of services: postgres") || !strings.Contains(r.Do, "--except "+r.Way)) {
			t.Errorf("%+v", r)
		}
	}
	f := shut()
	postgres("etc/cron.d/empty")(f)
	f.write("etc/cron.d/php", "5 * * * * www-data id\n")
	if r := row(t, f, "cron"); r.State != Gated {
		t.Errorf("a line that runs as a service: %+v", r)
	}
}

// A socket that has systemd start a service goes with it, and is back before it: systemd starts none whose service runs.
func TestASocketGoesWithItsService(t *testing.T) {
	f := shut()
	f.programs["systemctl show "+properties+" -- x.service"] = "Id=x.service\nActiveState=active\nTriggeredBy=x.socket x.timer\n"
	f.programs["systemctl show "+properties+" -- x.socket"] = "Id=x.socket\nActiveState=active\n"
	steps, err := f.host().stop(t.Context(), "x.service")
	if err != nil {
		t.Fatal(err)
	}
	var does, undoes []string
	for _, s := range steps {
		if len(s.do) > 1 && s.do[1] == "stop" {
			does = append(does, s.do[2])
		}
		if len(s.undo) > 1 && s.undo[1] == "start" {
			undoes = append([]string{s.undo[3]}, undoes...)
		}
	}
	if !slices.Equal(does, []string{"x.service", "x.socket"}) || !slices.Equal(undoes, []string{"x.socket", "x.service"}) {
		t.Errorf("it stops %q, and starts %q", does, undoes)
	}
}

// A directory that is a group's of which nobody is, as Debian has /usr/local for staff, is root's alone.
func TestAGroupOfNobody(t *testing.T) {
	f := shut()
	f.write("etc/group", group+"staff:x:50:\n")
	f.put("usr/local/bin/x", 0o775, 0, 50)
	if r := row(t, f, "root's files"); r.State != Closed {
		t.Errorf("of nobody: %+v", r)
	}
	f.write("etc/group", group+"staff:x:50:mallory\n")
	if r := row(t, f, "root's files"); r.State != Open {
		t.Errorf("control, with somebody in it: %+v", r)
	}
}
