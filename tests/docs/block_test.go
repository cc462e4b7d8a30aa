package docs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// document is what a file shows in blocks.
type document struct {
	name   string
	file   string // its path from here
	lines  []string
	blocks []block
}

// block is what stands between two fences. lines are the document's, from the first inside to the one after the last.
type block struct {
	info       string
	first, end int
	commands   []command // of a console
	elsewhere  []string  // which tests type them, where that is not this one
}

// command is typed by somebody: its text, what is to come of it, and which lines of the document say so.
type command struct {
	who, text  string
	line       int // of its prompt
	first, end int
	code       int
	eventually bool // what it shows comes a moment later: it is typed again until then, and so has to change nothing
}

// prompts are who types commands, and after what.
var prompts = map[string]string{"host": "# ", "person": "$ ", "agent": "$ "}

// plain are the kinds of blocks with nothing to type. What is policy has to load.
var plain = []string{"text", "hcl"}

// read finds the blocks of a document, and what is wrong with them: nothing in it may escape being run by how it is written.
func read(name, text string) (document, error) {
	d := document{name: name, lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
	open := -1
	for i, line := range d.lines {
		fence := strings.HasPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case fence && open < 0 && strings.HasPrefix(line, "```"):
			open = i
		case fence && line == "```":
			b := block{info: strings.TrimPrefix(d.lines[open], "```"), first: open + 1, end: i}
			if err := b.read(d.lines); err != nil {
				return d, fmt.Errorf("%s:%w", name, err)
			}
			d.blocks = append(d.blocks, b)
			open = -1
		case fence:
			return d, fmt.Errorf("%s:%d: a fence that is not one", name, i+1)
		case open < 0 && (strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t")):
			return d, fmt.Errorf("%s:%d: an indented block: fence it, and say who types it", name, i+1)
		}
	}
	if open >= 0 {
		return d, fmt.Errorf("%s:%d: the fence is never closed", name, open+1)
	}
	return d, nil
}

func (b *block) read(lines []string) error {
	kind, who, _ := strings.Cut(b.info, " ")
	who, eventually := strings.CutSuffix(who, " eventually")
	switch prompt, known := prompts[who]; {
	case kind == "console" && known:
		return b.readCommands(lines, command{who: who, eventually: eventually}, prompt)
	case kind == "console" && strings.HasPrefix(who, "elsewhere "):
		return b.readElsewhere(lines, strings.Fields(who)[1:])
	case kind == "console":
		return fmt.Errorf("%d: who types this? console host, person or agent, or elsewhere TEST", b.first)
	case !slices.Contains(plain, b.info):
		return fmt.Errorf("%d: a block of %q: console WHO, hcl, or text", b.first, b.info)
	}
	for i, line := range lines[b.first:b.end] {
		if kind == "text" && looksTyped(line) {
			return fmt.Errorf("%d: that is a command, in a block that nobody runs: %s", b.first+i+1, line)
		}
	}
	return nil
}

// readElsewhere reads what other tests type: it shows nothing of what comes, as nobody compares that.
func (b *block) readElsewhere(lines, tests []string) error {
	b.elsewhere = tests
	prompt := prompts["person"]
	if strings.HasPrefix(lines[b.first], prompts["host"]) {
		prompt = prompts["host"]
	}
	if err := b.readCommands(lines, command{}, prompt); err != nil {
		return err
	}
	for _, c := range b.commands {
		if c.end > c.first || c.code != 0 {
			return fmt.Errorf("%d: what comes of it is compared by nobody: %s", c.first+1, lines[c.first])
		}
	}
	return nil
}

func (b *block) readCommands(lines []string, by command, prompt string) error {
	for i := b.first; i < b.end; i++ {
		text, typed := strings.CutPrefix(lines[i], prompt)
		if !typed {
			return fmt.Errorf("%d: a command after %q is wanted, and not: %s", i+1, prompt, lines[i])
		}
		c := by
		c.line, c.text = i, text
		for i+1 < b.end && strings.HasPrefix(lines[i+1], "> ") {
			i++
			c.text += "\n" + lines[i][2:]
		}
		c.first = i + 1
		for i+1 < b.end && !strings.HasPrefix(lines[i+1], prompt) {
			i++
		}
		c.end = i + 1
		if c.end > c.first {
			if n, says := exitCode(lines[c.end-1]); says {
				c.code, c.end = n, c.end-1
			}
		}
		b.commands = append(b.commands, c)
	}
	if len(b.commands) == 0 {
		return fmt.Errorf("%d: nothing is typed here", b.first)
	}
	return nil
}

func exitCode(line string) (int, bool) {
	number, ok := strings.CutPrefix(line, "[exit code ")
	number, closed := strings.CutSuffix(number, "]")
	n, err := strconv.Atoi(number)
	return n, ok && closed && err == nil
}

// looksTyped reports whether a line is a command, with a prompt or without.
func looksTyped(line string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return slices.Contains([]string{"$", "#", "forkgate", "forkgate-attest", "ssh", "scp", "sftp", "rsync", "git", "make", "sudo", "apt", "apt-get", "dpkg",
		"systemctl", "journalctl", "docker", "sysctl", "cat", "echo", "export", "curl", "nft", "mount", "umount", "btrfs", "ssh-keygen"}, word)
}
