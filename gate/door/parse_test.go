package door

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
)

func TestSplitWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"":                        nil,
		"  \t ":                   nil,
		"fork demo tag":           {"fork", "demo", "tag"},
		"  a  b\t c ":             {"a", "b", "c"},
		`'a b' "c d" e\ f`:        {"a b", "c d", "e f"},
		`'' ""`:                   {"", ""},
		`a'b'"c"\d`:               {"abcd"},
		`"a\"b\\c\d" 'a\b'`:       {`a"b\c\d`, `a\b`},
		`'$x;' "a;b|c"`:           {"$x;", "a;b|c"},
		"grün *":                  {"grün", "*"},
		"--json forks":            {"--json", "forks"},
		strings.Repeat("a ", 64):  slices.Repeat([]string{"a"}, 64),
		"'" + "quoted\ttab" + "'": {"quoted\ttab"},
	} {
		got, err := splitWords(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{
		"a;b", "a|b", "a&b", "$x", "`x`", "$(x)", `"$x"`, "\"`x`\"", "<a", ">a", "a\nb", "'a", `"a`, `a\`, `"a\`, "a\x00b", "\x1b[0m",
		strings.Repeat("a ", 65), strings.Repeat("a", maxWordBytes+1),
	} {
		got, err := splitWords(line)
		if _, refused := gate.AsRefusal(err); !refused {
			t.Errorf("%.20q: %q, %v", line, got, err)
		}
	}
}

// Words that were quoted and split again are the same words.
func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{"", "a b", "'a b'", `"a\"b" c\ d`, "a;b", "x\x00y", "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			if _, refused := gate.AsRefusal(err); !refused {
				t.Fatalf("%q: %v is no refusal", line, err)
			}
			return
		}
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		again := strings.Join(quoted, " ")
		if len(again) > maxWordBytes {
			return
		}
		if got, err := splitWords(again); err != nil || !slices.Equal(got, words) {
			t.Fatalf("%q gives %q, quoted %q gives %q, %v", line, words, again, got, err)
		}
	})
}

// Requests of any shape neither panic nor pass with what they must not have.
func FuzzRequests(f *testing.F) {
	f.Add("pty-req", ssh.Marshal(struct {
		Term       string
		C, R, W, H uint32
		Modes      string
	}{"xterm", 80, 24, 0, 0, "\x03\x00\x00\x00\x08\x00"}))
	f.Add("env", ssh.Marshal(struct{ N, V string }{"LANG", "C"}))
	f.Add("exec", ssh.Marshal(struct{ C string }{"true"}))
	f.Add("window-change", make([]byte, 16))
	f.Add("eow@openssh.com", []byte{})
	f.Add("signal", ssh.Marshal(struct{ N string }{"TERM"}))
	f.Add("subsystem", ssh.Marshal(struct{ N string }{"sftp"}))
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		s := &session{wishes: newWishes(), unread: newUnread()}
		start, ok := s.answer(&ssh.Request{Type: kind, Payload: payload})
		if start != nil && (!ok || !start.op.Valid() || strings.Contains(string(start.command), "\x00")) {
			t.Fatalf("%s %q starts %+v, %v", kind, payload, start, ok)
		}
		if s.terminal != nil && (strings.Contains(string(s.terminal.Term), "\x00") || len(s.terminal.Modes) > 159) {
			t.Fatalf("terminal %+v", s.terminal)
		}
		for _, pair := range slices.Concat(s.env.marks, s.env.session) {
			if name, _, ok := strings.Cut(string(pair), "="); !ok || name == "" || strings.Contains(string(pair), "\x00") {
				t.Fatalf("variable %q", pair)
			}
		}
	})
}

// Where a channel leads is where the client said, or nowhere.
func FuzzForward(f *testing.F) {
	type port struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}
	type socket struct {
		Path, Reserved string
		Unused         uint32
	}
	f.Add(false, ssh.Marshal(port{"localhost", 80, "127.0.0.1", 1}))
	f.Add(false, ssh.Marshal(port{"localhost", 65536 + 80, "", 0}))
	f.Add(true, ssh.Marshal(socket{"/run/docker.sock", "", 0}))
	f.Add(true, []byte{0, 0, 0, 9, 'x'})
	f.Fuzz(func(t *testing.T, toSocket bool, payload []byte) {
		kind := "direct-tcpip"
		if toSocket {
			kind = "direct-streamlocal@openssh.com"
		}
		op, to, ok := parseForward(kind, payload)
		if !ok || to.Check(op) != nil {
			return
		}
		again := append(ssh.Marshal(struct {
			Host string
			Port uint32
		}{to.Host, uint32(to.Port)}), payload[min(len(payload), 8+len(to.Host)):]...)
		if toSocket {
			again = append(ssh.Marshal(struct{ Path string }{to.Path}), payload[min(len(payload), 4+len(to.Path)):]...)
		}
		if string(again) != string(payload) || (op == gate.OpForwardUnix) != toSocket {
			t.Fatalf("%q leads to %+v by %s", payload, to, op)
		}
	})
}

func TestModes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{
		"": 0, "\x00": 0, "\x03\x00\x00\x00\x08": 1, "\x03\x00\x00\x00\x08\x00trailing": 1, "\xa0\x01": 0, "\x03\x00\x00\x00\x08\xa0": 1,
	} {
		if got, ok := parseModes([]byte(in)); !ok || len(got) != want {
			t.Errorf("%q: %v, %v", in, got, ok)
		}
	}
	if _, ok := parseModes([]byte("\x03\x00\x00")); ok {
		t.Error("a truncated mode passes")
	}
}

// What a pod says about an exit is not passed on unseen.
func TestExitFromPod(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]uint32{0: 0, 255: 255, 256: 255, -1: 255, 1 << 40: 255} {
		if got := exitCode(code); got != want {
			t.Errorf("code %d: %d", code, got)
		}
	}
	for name, want := range map[string]string{"TERM": "TERM", "USR1": "USR1", "a\x1b[31m": "SIG@openssh.com", strings.Repeat("A", 99): "SIG@openssh.com"} {
		if got := signalName(name); got != want {
			t.Errorf("signal %q: %q", name, got)
		}
	}
}

func FuzzCiphers(f *testing.F) {
	f.Add(ssh.Marshal(struct {
		Cookie        [16]byte `sshtype:"20"`
		A, B, C, D, E []string
		F, G, H, I, J []string
		Follows       bool
		Reserved      uint32
	}{C: []string{"aes128-ctr", "aes128-gcm@openssh.com"}}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if theirs, ok := parseCiphers(payload); ok && payload[0] != 20 {
			t.Fatalf("%v of a packet that is no key exchange", theirs)
		}
	})
}
