package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"forkgate/gate/tape"
)

// cast is what the player gets of such lines: its header, and the lines behind that.
func cast(t *testing.T, h tape.Header, lines string) (head map[string]any, rest []string) {
	t.Helper()
	dir, s := shelf(t)
	h.Forkgate.Session = "one"
	s.most = 1 << 20
	put(t, dir, h, lines)
	w := ask(s, "/cast/one", nil)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	rest = strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
	if err := json.Unmarshal([]byte(rest[0]), &head); err != nil {
		t.Fatal(err)
	}
	return head, rest[1:]
}

func TestCast(t *testing.T) {
	for name, test := range map[string]struct {
		terminal    bool
		lines, want string
	}{
		"a terminal":       {true, `[0.1, "o", "a\nb\r\n"]`, `[0.1,"o","a\nb\r\n"]`},
		"none":             {false, `[0.1, "o", "a\nb\r\n"]`, `[0.1,"o","a\r\nb\r\n"]`},
		"standard error":   {false, `[0.1, "e", "a\n"]`, `[0.1,"o","\u001b[31ma\r\n\u001b[39m","e"]`},
		"other codes":      {true, `[0.1, "i", "secret"]` + "\n" + `[0.1, "m", "x"]` + "\n" + `[0.2, "f", "{}"]`, ``},
		"a forward":        {false, `[0.1, "b", "{\"in\":0,\"out\":0}"]` + "\n" + `[0.2, "b", "{\"in\":5,\"out\":7,\"end\":true}"]` + "\n" + `[0.3, "b", "<script>"]`, `[0.1,"o","connected\r\n"]` + "\n" + `[0.2,"o","5 bytes from the client, 7 bytes to it; the end\r\n"]`},
		"what does more":   {true, `[1, "o", "a\u001b]8;;javascript:x\u0007b\u001b]52;c;x\u0007\u001b[6n\u009d0;t\u009cc"]`, `[1,"o","abc"]`},
		"cut in two":       {true, `[1, "o", "a\u001b]0;t"]` + "\n" + `[2, "e", "x"]` + "\n" + `[3, "o", "t\u0007b"]`, `[1,"o","a"]` + "\n" + `[2,"o","\u001b[31mx\u001b[39m","e"]` + "\n" + `[3,"o","b"]`},
		"text turned":      {true, `[1, "o", "a\u202eb\u2066c\u200f"]`, `[1,"o","abc"]`},
		"markup":           {true, `[1, "o", "</script><b>"]`, `[1,"o","\u003c/script\u003e\u003cb\u003e"]`},
		"a window":         {true, `[1, "r", "100x30"]`, `[1,"r","100x30"]`},
		"too large":        {true, `[1, "r", "4294967295x4294967295"]`, `[1,"r","500x200"]`},
		"no window":        {true, `[1, "r", "0x0"]` + "\n" + `[1, "r", "axb"]` + "\n" + `[1, "r", "-1x5"]`, `[1,"r","80x24"]`},
		"broken off":       {true, `[1, "o", "a"]` + "\n" + `[2, "o", "b`, `[1,"o","a"]`},
		"damaged":          {true, `[1, "o", "a"]` + "\n{}\n" + `[2, "o", "b"]`, `[1,"o","a"]` + "\n" + `{"note":"this is where the recording is damaged: line 3`},
		"a note of theirs": {true, `{"note":"all is well"}` + "\n" + `[2, "o", "b"]`, `{"note":"this is where the recording is damaged: line 2`},
	} {
		h := tape.Header{Width: 9999, Height: 50}
		if test.terminal {
			h.Env = map[string]string{"TERM": "xterm"}
		}
		head, got := cast(t, h, test.lines+"\n")
		if head["width"] != 500.0 || head["height"] != 50.0 || head["terminal"] != test.terminal || len(head) != 5 {
			t.Errorf("%s: the header is %v", name, head)
		}
		if text := strings.Join(got, "\n"); text != test.want && (test.want == "" || !strings.HasPrefix(text, test.want+" ")) {
			t.Errorf("%s: %s, not %s", name, text, test.want)
		}
	}
}

// A recording that is too long for a browser is played as far as it is not, and that is said.
func TestLongCast(t *testing.T) {
	piece := fmt.Sprintf("[1, \"o\", %q]\n", strings.Repeat("x", 1<<10))
	_, got := cast(t, tape.Header{}, strings.Repeat(piece, 1100))
	if last := got[len(got)-1]; len(got) > 1024 || len(got) < 900 || !strings.HasPrefix(last, `{"note":"this is the recording's beginning`) {
		t.Errorf("%d lines, the last is %.100s", len(got), last)
	}
}
