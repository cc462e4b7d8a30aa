package scrub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// editYAML replaces the values of names at whatever depth, by texts. A document in which there are any is written anew: comments stay, spaces
// may not. What is no YAML is an error, and so is what a name gets by reference (<<, *name), as that is another's to change.
func editYAML(text []byte, of values) ([]byte, int, error) {
	var edited bytes.Buffer
	d, e, n := yaml.NewDecoder(bytes.NewReader(text)), yaml.NewEncoder(&edited), 0
	e.SetIndent(2)
	for {
		var document yaml.Node
		if err := d.Decode(&document); errors.Is(err, io.EOF) {
			break
		} else if err != nil && !speaksOf(text, of) { // nothing in it is ours to change
			return text, 0, nil
		} else if err != nil {
			return nil, 0, fmt.Errorf("it is no YAML: %w", err)
		}
		here, err := editNode(&document, of, false)
		if err != nil {
			return nil, 0, err
		}
		if n += here; document.Kind != 0 {
			if err := e.Encode(&document); err != nil {
				return nil, 0, err
			}
		}
	}
	if n == 0 { // there may be nothing but comments, and those the library drops
		return editCommented(text, of)
	}
	if err := e.Close(); err != nil {
		return nil, 0, err
	}
	for d := yaml.NewDecoder(bytes.NewReader(edited.Bytes())); ; { // an anchor may have been in what was replaced
		var document yaml.Node
		if err := d.Decode(&document); errors.Is(err, io.EOF) {
			return edited.Bytes(), n, nil
		} else if err != nil {
			return nil, 0, fmt.Errorf("it would be no YAML any more: %w", err)
		}
	}
}

// editCommented replaces values in the lines that are comments.
func editCommented(text []byte, of values) ([]byte, int, error) {
	var edited []byte
	n := 0
	for at := 0; at < len(text); {
		end := lineEnd(text, at)
		line := text[at:end]
		if bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("#")) {
			done, here, err := within.edit(line, of)
			if err != nil {
				return nil, 0, err
			}
			line, n = done, n+here
		}
		edited, at = append(edited, line...), end
	}
	return edited, n, nil
}

// commands are members whose lists are words of a command, in which NAME=VALUE is part of one.
var commands = []string{"command", "entrypoint", "args", "test"}

func editNode(node *yaml.Node, of values, command bool) (n int, err error) {
	if n, err = editComments(node, of); err != nil {
		return n, err
	}
	byName := valueOf(node, of)
	for i, child := range node.Content {
		name, value, ok := "", "", false
		switch {
		case byName != nil && child == byName.node:
			name, value, ok = byName.name, byName.value, true
		case node.Kind == yaml.MappingNode && i%2 == 1:
			name = node.Content[i-1].Value
			value, ok = dotted(name, of)
		case node.Kind == yaml.SequenceNode && child.Kind == yaml.ScalarNode && !command: // as where environments are lists
			if name, _, ok = strings.Cut(child.Value, "="); ok {
				value, ok = of(name)
				value = name + "=" + value
			}
		}
		here := 1
		switch {
		case !ok && child.Kind == yaml.ScalarNode:
			here, err = editScalar(child, of, node.Kind == yaml.MappingNode && i%2 == 0)
		case !ok:
			here, err = editNode(child, of, node.Kind == yaml.MappingNode && i%2 == 1 && slices.Contains(commands, node.Content[i-1].Value))
		case child.Kind == yaml.AliasNode:
			err = fmt.Errorf("line %d: the value of %s stands elsewhere (*%s)", child.Line, name, child.Value)
		default:
			if _, err = editComments(child, of); err != nil {
				break
			}
			*child = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: value, Anchor: child.Anchor, LineComment: child.LineComment}
		}
		if err != nil {
			return n, err
		}
		n += here
	}
	return n, nil
}

// editComments replaces what comments say of names of ours.
func editComments(node *yaml.Node, of values) (n int, err error) {
	for _, comment := range []*string{&node.HeadComment, &node.LineComment, &node.FootComment} {
		edited, here, err := within.edit([]byte(*comment), of)
		if err != nil {
			return n, fmt.Errorf("line %d: in a comment: %w", node.Line, err)
		}
		*comment = string(edited)
		n += here
	}
	return n, nil
}

// editScalar replaces values in a text, which may be a whole file, and in what comments stand by it.
func editScalar(node *yaml.Node, of values, isName bool) (int, error) {
	said, err := editComments(node, of)
	if err != nil || isName {
		return said, err
	}
	edited, n, err := editWithin(node.Value, of)
	if err != nil {
		return 0, fmt.Errorf("line %d: in a text: %w", node.Line, err)
	}
	if n > 0 {
		node.Value = edited
	}
	return said + n, nil
}

// named is the value of a name that stands beside it, as in {name: NAME, value: VALUE}.
type named struct {
	node        *yaml.Node
	name, value string
}

// valueOf finds it in a mapping; nil: there is none of ours.
func valueOf(node *yaml.Node, of values) *named {
	var name, value *yaml.Node
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		switch node.Content[i].Value {
		case "name":
			name = node.Content[i+1]
		case "value":
			value = node.Content[i+1]
		}
	}
	if name == nil || value == nil || name.Kind != yaml.ScalarNode {
		return nil
	}
	if text, ok := dotted(name.Value, of); ok {
		return &named{value, name.Value, text}
	}
	return nil
}
