package doctor

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func row(t *testing.T, f *fake, name string) Row {
	t.Helper()
	for _, r := range Examine(t.Context(), f.host()) {
		if r.Check == name {
			return r
		}
	}
	t.Fatalf("there is no check %q", name)
	return Row{}
}

func TestAHealthyHostIsGreen(t *testing.T) {
	for _, r := range Examine(t.Context(), healthy().host()) {
		if r.Level != Green || r.Do != "" {
			t.Errorf("%+v", r)
		}
	}
	for _, test := range others() {
		f := healthy()
		test.makes(f)
		if r := row(t, f, test.check); r.Level != Green || !strings.Contains(r.Found, test.found) {
			t.Errorf("want green and %q: %+v", test.found, r)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	broken := map[string]bool{}
	for _, test := range breakages() {
		broken[test.check] = true
		f := healthy()
		test.breaks(f)
		r := row(t, f, test.check)
		if r.Level != test.level || !strings.Contains(r.Found, test.found) || !strings.Contains(r.Do, test.do) {
			t.Errorf("want %s, %q, and to do %q: %+v", test.level, test.found, test.do, r)
		}
	}
	for _, c := range checks() {
		if !broken[c.name] {
			t.Errorf("no test breaks %s", c.name)
		}
		if c.why == "" {
			t.Errorf("%s does not say why", c.name)
		}
	}
}

// A host of which nothing can be read or run: no check panics, and what matters is red.
func TestNothingIsNotGreen(t *testing.T) {
	rows := Examine(t.Context(), (&fake{pool: place}).host())
	for _, r := range rows {
		switch {
		case r.Level != Green && r.Do == "":
			t.Errorf("nothing to do: %+v", r)
		case r.Level != Red && (r.Check == "kernel" || r.Check == "pool" || r.Check == "units" || r.Check == "seccomp" || strings.HasPrefix(r.Check, "user forkgate")):
			t.Errorf("not red: %+v", r)
		}
	}
	var zero finding
	if zero.level != Red {
		t.Error("the zero finding is not red")
	}
}

// UPDATE=1 go test writes the golden files.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got:\n%s", name, diff)
	}
}

func TestPages(t *testing.T) {
	f := healthy()
	mounts("pool rw,nosuid,", "pool rw,")(f)
	value("kernel.kptr_restrict", "0")(f)
	value("kernel.core_pattern", "|/x\x1b[31m")(f)
	rows := Examine(t.Context(), f.host())
	var text, asJSON bytes.Buffer
	if err := Write(&text, rows, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "page.txt", text.String())
	var wanting bytes.Buffer
	if err := Write(&wanting, rows, true); err != nil {
		t.Fatal(err)
	}
	last := func(page string) string { return page[strings.LastIndexByte(strings.TrimSpace(page), '\n')+1:] }
	if strings.Contains(wanting.String(), "\ngreen") || last(wanting.String()) != last(text.String()) {
		t.Errorf("of what is wanting it prints\n%s", &wanting)
	}
	e := json.NewEncoder(&asJSON)
	e.SetIndent("", "  ")
	if err := e.Encode(rows); err != nil {
		t.Fatal(err)
	}
	golden(t, "page.json", asJSON.String())
}
