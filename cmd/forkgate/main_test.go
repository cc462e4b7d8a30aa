package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/tests/need"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"forkgate": func() { os.Exit(run(context.Background(), os.Args[1:])) },
	})
}

// What operators see when something is wrong: one line, what to do, and the exit code.
func TestScripts(t *testing.T) {
	params := func(dir string) testscript.Params {
		return testscript.Params{
			Dir: filepath.Join("testdata", dir),
			Setup: func(e *testscript.Env) error {
				e.Setenv("FORKGATE_OPERATOR_SOCKET", filepath.Join(e.WorkDir, "nowhere.sock"))
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"code": code,
			},
			UpdateScripts: os.Getenv("UPDATE") != "",
		}
	}
	t.Run("anybody", func(t *testing.T) { testscript.Run(t, params("anybody")) })
	t.Run("root", func(t *testing.T) {
		need.Root(t)
		testscript.Run(t, params("root"))
	})
}

// code runs a command that must end with the given exit code: code 254 forkgate rm x.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	if err := ts.Exec("sh", append([]string{"-c", `"$@"; echo $? >code`, "sh"}, args[1:]...)...); err != nil {
		ts.Fatalf("%v", err)
	}
	got := ts.ReadFile("code")
	if got != args[0]+"\n" {
		ts.Fatalf("exit code %swant %s", got, args[0])
	}
}

// Each control word but help is a command, with the same summary.
func TestTheControlWordsAreCommands(t *testing.T) {
	root := commands()
	for _, v := range gate.Verbs() {
		if v.Name == "help" {
			continue
		}
		if c, _, err := root.Find([]string{v.Name}); err != nil || c.Short != v.Summary {
			t.Errorf("%s is %q, %v", v.Name, c.CommandPath(), err)
		}
	}
}

// Every command says what it does, and none takes words that it ignores.
func TestEveryCommandIsDescribed(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.Args == nil {
			t.Errorf("%s lacks a summary or a check of its arguments", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	for _, c := range commands().Commands() {
		walk(c)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"500M": 500 << 20, "20G": 20 << 30, "1T": 1 << 40} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "G", "20", "-1G", "0G", "20MG", "1.5G", "99999999T", "20g"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// Flags that do not go together are named, whatever they are of.
func TestFlagsThatDoNotGoTogether(t *testing.T) {
	for args, want := range map[string]string{
		"replay --web --raw aaaa":         "forkgate: --raw and --web do not go together\n",
		"setup --device /dev/x --size 1G": "forkgate: --device and --size do not go together\n",
		"doors --undo --close":            "forkgate: --close and --undo do not go together\n",
	} {
		_, err := forkgate(t, "", strings.Fields(args)...)
		if text, code := explain(err); text != want || code != exitUsage {
			t.Errorf("%s: %d, %q", args, code, text)
		}
	}
}
