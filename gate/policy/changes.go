package policy

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Contents are the blocks of a policy, as permit "x", and a digest of each one's text. The zero Contents are of no policy.
type Contents map[string][sha256.Size]byte

// Contents lists the blocks.
func (p *Policy) Contents() Contents { return maps.Clone(p.contents) }

// Changes is what one policy has and another one has not, as blocks: permit "x".
type Changes struct{ Added, Removed, Changed []string }

// Since says what has changed since earlier ones.
func (now Contents) Since(before Contents) Changes {
	var c Changes
	for _, block := range slices.Sorted(maps.Keys(now)) {
		was, there := before[block]
		switch {
		case !there:
			c.Added = append(c.Added, block)
		case was != now[block]:
			c.Changed = append(c.Changed, block)
		}
	}
	for _, block := range slices.Sorted(maps.Keys(before)) {
		if _, there := now[block]; !there {
			c.Removed = append(c.Removed, block)
		}
	}
	return c
}

// String says it in one line.
func (c Changes) String() string {
	var said []string
	for _, part := range []struct {
		what   string
		blocks []string
	}{{"added", c.Added}, {"removed", c.Removed}, {"changed", c.Changed}} {
		if len(part.blocks) > 0 {
			said = append(said, part.what+" "+few(part.blocks))
		}
	}
	if len(said) == 0 {
		return "nothing has changed"
	}
	return strings.Join(said, "; ")
}

// few names some of many.
func few(blocks []string) string {
	const shown = 6
	if len(blocks) <= shown+1 {
		return strings.Join(blocks, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(blocks[:shown], ", "), len(blocks)-shown)
}

// note keeps what each block says, for the comparison with a later policy.
func (l *loader) note(blocks hcl.Blocks, text []byte) {
	if l.policy.contents == nil {
		l.policy.contents = Contents{}
	}
	for _, block := range blocks {
		name := block.Type
		for _, label := range block.Labels {
			name += " " + quoted(label)
		}
		body, ok := block.Body.(*hclsyntax.Body)
		if !ok {
			continue
		}
		l.policy.contents[name] = sha256.Sum256(text[block.DefRange.Start.Byte:body.EndRange.Start.Byte])
	}
}
