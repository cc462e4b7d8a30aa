package manual

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// A page has what --help has: lists and commands line by line, and flags as they are typed.
func TestPagesAreAsTheHelpIs(t *testing.T) {
	list := "  open    who gets in\n  closed  nobody"
	root := &cobra.Command{Use: "gate", Short: "a gate"}
	doors := &cobra.Command{Use: "doors", Short: "list doors", Long: "Say of each:\n\n" + list + "\n\nBelow it stands what to type.", Run: func(*cobra.Command, []string) {}}
	doors.Flags().Bool("close", false, "close them")
	doors.Flags().String("as", "", "by this name")
	root.AddCommand(doors, &cobra.Command{Use: "secret", Short: "for nobody", Hidden: true, Run: doors.Run})
	dir := t.TempDir()
	if err := write(root, dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "man1", "gate-doors.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".EX\n" + list + "\n.EE", `\fB--close\fP` + "\n", `\fB--as\fP=...` + "\n", "Below it stands what to type."} {
		if !strings.Contains(string(page), want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
	if pages, _ := filepath.Glob(filepath.Join(dir, "man1", "*")); len(pages) != 2 {
		t.Errorf("there are %q", pages)
	}
	if doors.Long[:12] != "Say of each:" || strings.Contains(doors.Long, "      open") {
		t.Errorf("the help itself is %q now", doors.Long)
	}
}
