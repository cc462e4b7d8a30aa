package tests

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "forkgate/"

// arrows says who may import what of ours. A package that is not here imports nothing of ours. "x/..." is x and all below it.
var arrows = map[string][]string{
	"cmd/forkgate":      {"gate/...", "fork", "fork/adopt", "fork/backup", "nsjail/...", "systemd", "policy.d", "cmd/forkgate/doctor", "cmd/forkgate/doors", "cmd/forkgate/setup", "cmd/manual"},
	"cmd/forkgate-init": {"nsjail/..."},
	// The data on agents is policy's, in its language, and has one reader.
	"cmd/forkgate-attest": {"gate", "gate/policy", "gate/provenance", "gate/provenance/attestor", "systemd", "cmd/manual"},
	"cmd/forkgate-pod":    {"nsjail/..."},
	"cmd/forkgate-scrub":  {"nsjail/scrub", "nsjail/wire"},

	// That a connection is new is told by the processes above it, and what /proc says of those has one reader.
	"cmd/forkgate/doors":  {"gate", "gate/provenance/chain"},
	"cmd/forkgate/doctor": {"gate", "fork", "nsjail/idmap"},
	"cmd/forkgate/setup":  {"gate", "fork"},

	"gate/audit":               {"gate"},
	"gate/door":                {"gate", "gate/sftp", "gate/tape", "gate/warden/client", "nsjail/wire"},
	"gate/door/doortest":       {"gate", "gate/tape", "gate/warden/client", "nsjail/wire"},
	"gate/enrolled":            {"gate"},
	"gate/grants":              {"gate"},
	"gate/policy":              {"gate", "gate/provenance"},
	"gate/provenance":          {"gate"},
	"gate/provenance/attestor": {"gate", "gate/provenance", "gate/provenance/chain"},
	"gate/provenance/chain":    {"gate", "gate/provenance"},
	"gate/provenance/presence": {"gate"},
	// A process that speaks for its account is one that sshd has started: what /proc says of that has one reader.
	"gate/warden": {"gate", "gate/warden/client", "gate/policy", "gate/provenance", "gate/provenance/chain", "gate/provenance/presence",
		"gate/archive", "gate/audit", "gate/enrolled", "gate/grants", "gate/secrets", "gate/tape", "fork", "fork/changes", "nsjail/...", "systemd"},
	"gate/warden/client": {"gate", "gate/tape", "nsjail/wire"},
	"gate/archive":       {"gate/tape"},
	"gate/page":          {"gate", "gate/archive", "gate/audit", "gate/tape"},
	"gate/sftp":          {"gate"},
	// Two processes of one service talk, of different versions perhaps.
	"gate/succession": {"nsjail/wire"},
	"gate/tape":       {"gate"},

	"fork":                {"fork/changes", "nsjail/idmap"},
	"nsjail":              {"nsjail/cgroup", "nsjail/idmap", "nsjail/mount", "nsjail/wire"},
	"nsjail/docker":       {"nsjail"},
	"nsjail/idmap":        {"nsjail/bare"},
	"nsjail/inside":       {"nsjail", "nsjail/bare", "nsjail/cgroup", "nsjail/inside/names", "nsjail/mount", "nsjail/threads", "nsjail/wire"},
	"nsjail/mount":        {"nsjail/idmap"},
	"nsjail/scrub":        {"nsjail/scrub/leaks", "nsjail/wire"},
	"nsjail/inside/names": {"nsjail/dns"},
	// What a pod may reach is written in the policy's words, which gate has the one parser of.
	"nsjail/egress":  {"gate", "nsjail", "nsjail/dns", "nsjail/wire"},
	"nsjail/network": {"gate", "nsjail", "nsjail/wire"},
	"nsjail/pod":     {"nsjail", "nsjail/bare", "nsjail/cgroup", "nsjail/egress", "nsjail/idmap", "nsjail/mount", "nsjail/network", "nsjail/threads", "nsjail/wire"},

	// Below tests, whatever a test needs.
	"tests/...": {"..."},
}

// topLevel is all that lies at the top of the repository.
var topLevel = []string{
	"cmd", "gate", "fork", "nsjail", "systemd", "policy.d", "packaging", "tests", "go.mod", "go.sum", "Makefile", "README.md",
	"HACKING.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", ".ci", ".gitignore", ".gitattributes",
	".golangci.yml", ".editorconfig",
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			target, ours := strings.CutPrefix(imported, module)
			if ours && !allowed(name, target) {
				t.Errorf("%s imports %s: no arrow leads there", name, target)
			}
		}
	}
}

func TestArrowsAreOnlyWhatIsSaid(t *testing.T) {
	for from, to := range map[string]string{
		"gate": "fork", "fork": "gate", "systemd": "gate", "gate/door": "gate/warden", "cmd/forkgate-init": "gate",
		"gate/policy": "gate/warden", "gate/new": "gate", "nsjail/wire": "nsjail", "gate/door/new": "gate", "fork/tests": "gate",
	} {
		if allowed(from, to) {
			t.Errorf("%s may import %s", from, to)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package doc", p.ImportPath)
		}
	}
}

// gliderlabs/ssh takes who made the first attempt for who has logged in. A test shows that, and nothing uses it.
func TestNothingImportsGliderlabs(t *testing.T) {
	importers := filesWith(t, func(name string, f *ast.File) bool {
		return !strings.HasSuffix(name, "_test.go") && slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"github.com/gliderlabs/ssh"` })
	})
	if len(importers) > 0 {
		t.Errorf("%q import gliderlabs/ssh", importers)
	}
}

// A skip anywhere else would escape REQUIRE=all.
func TestOnlyNeedSkips(t *testing.T) {
	for _, file := range filesWith(t, func(name string, f *ast.File) bool {
		return filepath.Dir(name) != "tests/need" && calls(f, "Skip", "Skipf", "SkipNow")
	}) {
		t.Errorf("%s skips a test: only tests/need may", file)
	}
}

func TestOnlyMainExits(t *testing.T) {
	for _, file := range filesWith(t, func(name string, f *ast.File) bool {
		return !strings.HasPrefix(name, "cmd/") && !strings.HasSuffix(name, "_test.go") && calls(f, "os.Exit", "log.Fatal", "log.Fatalf")
	}) {
		t.Errorf("%s ends the process: only main may", file)
	}
}

func TestCallsAreFound(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x; func f(t *T) { go func() { t.Skip("no") }(); os.Exit(1) }`, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !calls(f, "Skip") || !calls(f, "os.Exit") || calls(f, "Skipf", "log.Fatal", "Exit2") {
		t.Error("calls does not see what is called")
	}
}

func TestNoInit(t *testing.T) {
	for _, file := range filesWith(t, func(_ string, f *ast.File) bool {
		return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
			fn, ok := d.(*ast.FuncDecl)
			return ok && fn.Recv == nil && fn.Name.Name == "init"
		})
	}) {
		t.Errorf("%s has an init function", file)
	}
}

func TestTopLevel(t *testing.T) {
	for _, file := range files(t) {
		if top, _, _ := strings.Cut(file, "/"); !slices.Contains(topLevel, top) {
			t.Errorf("%s is not in the layout", file)
		}
	}
}

func allowed(from, to string) bool {
	for pattern, targets := range arrows {
		if matches(pattern, from) && slices.ContainsFunc(targets, func(target string) bool { return matches(target, to) }) {
			return true
		}
	}
	return false
}

func matches(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	dir, below := strings.CutSuffix(pattern, "/...")
	return name == dir || below && strings.HasPrefix(name, dir+"/")
}

// goPackage is what go list -json prints of a package; Imports are those of the package itself, not of its tests.
type goPackage struct {
	ImportPath, Doc  string
	GoFiles, Imports []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(output(t, "go", "list", "-json=ImportPath,Doc,GoFiles,Imports", "./..."))); d.More(); {
		var p goPackage
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("only %d packages found", len(all))
	}
	return all
}

// files are those of the repository: under version control, or about to be.
func files(t *testing.T) []string {
	t.Helper()
	return strings.Fields(string(output(t, "git", "ls-files", "--cached", "--others", "--exclude-standard")))
}

func filesWith(t *testing.T, found func(name string, f *ast.File) bool) []string {
	t.Helper()
	var names []string
	for _, name := range files(t) {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", name), nil, 0)
		if os.IsNotExist(err) {
			continue // removed, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		if found(name, f) {
			names = append(names, name)
		}
	}
	return names
}

// calls reports whether a file calls one of these: a method of anything by its name, a function as package.Name.
func calls(f *ast.File, names ...string) bool {
	var found bool
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
				x, _ := sel.X.(*ast.Ident)
				found = found || slices.Contains(names, sel.Sel.Name) || x != nil && slices.Contains(names, x.Name+"."+sel.Sel.Name)
			}
		}
		return !found
	})
	return found
}

func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = ".."
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return out
}
