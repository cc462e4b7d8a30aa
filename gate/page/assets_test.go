package page

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// The player in the binary is the one that was looked at: assets/player/fetch gets it again.
func TestThePlayerIsAsRecorded(t *testing.T) {
	sums, err := assets.ReadFile("assets/player/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(sums)), "\n")
	for _, line := range lines {
		sum, name, _ := strings.Cut(line, "  ")
		file, err := assets.ReadFile("assets/player/" + name)
		if err != nil || fmt.Sprintf("%x", sha256.Sum256(file)) != sum {
			t.Errorf("%s is another one: %v", name, err)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%d files have a sum", len(lines))
	}
}

// Our own files load nothing from elsewhere, and put no text in as markup.
func TestAssets(t *testing.T) {
	bad := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|https?://|style="|\son[a-z]+="|javascript:`)
	for _, text := range []string{`x.innerHTML = y`, `<img src="https://x">`, `<p style="x">`, `<a onclick="x">`} {
		if !bad.MatchString(text) {
			t.Errorf("%s would pass", text)
		}
	}
	files, err := fs.Glob(assets, "assets/*.*")
	if err != nil || len(files) < 5 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, name := range files {
		text, err := assets.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := bad.FindAllString(strings.ReplaceAll(string(text), `xmlns="http://www.w3.org/2000/svg"`, ""), -1)
		if found != nil {
			t.Errorf("%s: %q", name, found)
		}
	}
}
