package vm_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// isWhole checks what has to hold once the disk is well, and removes all forks.
func (f faulty) isWhole(t *testing.T, before string) {
	t.Helper()
	if now := f.production(t); now != before {
		t.Errorf("production was\n%s\nand is\n%s", before, now)
	}
	f.agree(t)
	if work := f.try(t, "ssh", "demo+old@agent", "cat work"); work.text != "work\n" {
		t.Errorf("in the fork that was there: %v", work)
	}
	const sums = "find . -type f ! -name work -exec sha256sum {} + | sort"
	production := f.Must(t, "ssh", "demo@person", sums)
	if fresh := f.try(t, "ssh", "demo+fresh@agent", sums); fresh.text != production+"\n" || !strings.Contains(production, "./dir/1") {
		t.Errorf("production has\n%s\nand in a new fork: %v", production, fresh)
	}
	f.agree(t)
	f.Must(t, "sh", "-ec", `for ref in $(ssh gate@agent forks demo | sed 1d | cut -d ' ' -f 1); do ssh gate@agent rm $ref; done; [ -z "$(ls `+pool+`/forks)" ]`)
	f.agree(t)
}

// production is what lies in the repository, byte for byte, as the host's root sees it.
func (f faulty) production(t *testing.T) string {
	t.Helper()
	return f.Must(t, "sh", "-ec", "cd "+pool+"/repos/*/tree; find . -type f -exec sha256sum {} + | sort -k 2; find . ! -type f | sort")
}

// guids are those of what forkgate lists.
func (f faulty) guids(t *testing.T, of string) (guids []string) {
	t.Helper()
	var trees []struct{ GUID string }
	if err := json.Unmarshal([]byte(f.Must(t, "forkgate", of, "--json")), &trees); err != nil {
		t.Fatal(err)
	}
	for _, tree := range trees {
		guids = append(guids, tree.GUID)
	}
	slices.Sort(guids)
	return guids
}

// lines are those of a command's output, sorted.
func (f faulty) lines(t *testing.T, command string) []string {
	t.Helper()
	lines := strings.Fields(f.Must(t, "sh", "-ec", command))
	slices.Sort(lines)
	return lines
}

// agree checks that registry, disk, units and rules say the same, once what is made ahead is there.
func (f faulty) agree(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"repos", "forks"} {
		if here, there := f.guids(t, kind), f.lines(t, "ls "+pool+"/"+kind); !slices.Equal(here, there) {
			t.Errorf("%s: recorded are %q, and on the disk are %q", kind, here, there)
		}
	}
	// Each part of a tree is a subvolume, whose top has that inode.
	if broken := f.Must(t, "sh", "-ec", "cd "+pool+`; for d in $(ls -d repos/* forks/* 2>/dev/null); do for s in tree root home; do
		[ "$(stat -c %i $d/$s)" = 256 ] || echo $d/$s; done; done`); broken != "" {
		t.Errorf("these are not whole: %s", broken)
	}
	var units, known, run []string
	if !eventually(func() bool {
		known = slices.Concat(f.guids(t, "repos"), f.guids(t, "forks"), f.lines(t, "ls "+pool+"/spare"))
		units = f.lines(t, `systemctl list-units --plain --no-legend 'forkgate-pod@*' | sed 's/.*forkgate-pod@\([^ ]*\)[.]service.*/\1/' | sort -u`)
		run = f.lines(t, "ls /run/forkgate/pods")
		return within(units, known) && within(run, known)
	}) {
		t.Errorf("there are %q, of them units %q, and in /run %q", known, units, run)
	}
	f.rulesAgree(t)
}

// rulesAgree checks that the links that there are, and no others, may be passed.
func (f faulty) rulesAgree(t *testing.T) {
	t.Helper()
	var links, rules []string
	if !eventually(func() bool {
		links = f.lines(t, `ip -o link | sed -n 's/^[0-9]*: \(fg[0-9]*\)[@:].*/\1/p'`)
		rules = f.lines(t, `nft list set inet forkgate sources | grep -o '"fg[0-9]*"' | tr -d '"' || true`)
		return slices.Equal(links, rules)
	}) {
		t.Errorf("there are the links %q, and rules of %q", links, rules)
	}
}

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
}

// eventually is for what the test has more to say about than that it is not so.
func eventually(is func() bool) bool {
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Second / 2) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
