package changes

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// command is one of a stream. Nobody looks at its checksum.
func command(n number, attributes ...any) []byte {
	var body []byte
	for i := 0; i < len(attributes); i += 2 {
		value := attributes[i+1].(string)
		body = binary.LittleEndian.AppendUint16(body, uint16(attributes[i].(attribute)))
		body = append(binary.LittleEndian.AppendUint16(body, uint16(len(value))), value...)
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	head = binary.LittleEndian.AppendUint16(head, uint16(n))
	return append(append(head, 0, 0, 0, 0), body...)
}

func streamOf(commands ...[]byte) []byte {
	return slices.Concat([]byte(magic), []byte{1, 0, 0, 0}, slices.Concat(commands...))
}

func TestRead(t *testing.T) {
	got, err := Read(bytes.NewReader(streamOf(
		command(snapshot, pathOf, "x"),
		command(mkfile, pathOf, "o300-7-0"),
		command(rename, pathOf, "o300-7-0", pathTo, "dir/new"),
		command(utimes, pathOf, "dir"),
		command(rename, pathOf, "dir/old", pathTo, "dir/older"),
		command(updateExtent, pathOf, "dir/older"),
		command(unlink, pathOf, "gone"),
		command(end),
	)), 100)
	want := []Change{
		{How: Added, Kind: File, Path: "dir/new"}, {How: Moved, Kind: File, Path: "dir/older", From: "dir/old", Also: true}, {How: Removed, Path: "gone"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// What is no stream is an error, and what is too much is not told by half.
func TestReadRefuses(t *testing.T) {
	whole := streamOf(command(mkfile, pathOf, "a"), command(end))
	for name, text := range map[string][]byte{
		"nothing": nil, "another": []byte("another one, and long enough"), "another version": append([]byte(magic), 9, 0, 0, 0), "no end": streamOf(command(mkfile, pathOf, "a")),
		"a command that is too long": streamOf([]byte{255, 255, 255, 255, 3, 0, 0, 0, 0, 0}), "half an attribute": streamOf([]byte{3, 0, 0, 0, 3, 0, 0, 0, 0, 0, 15, 0, 9}),
		"a name that is not there": streamOf(command(mkdir, pathOf, "d"), command(unlink, pathOf, "d/x"), command(end)),
		"a name that has gone":     streamOf(command(unlink, pathOf, "x"), command(unlink, pathOf, "x"), command(end)),
		"a name in itself":         streamOf(command(link, pathOf, "x/y", linkTo, "x"), command(end)),
		"a file in its own name":   streamOf(command(link, pathOf, "z", linkTo, "x"), command(rename, pathOf, "x", pathTo, "z/y"), command(end)),
		"a way up":                 streamOf(command(unlink, pathOf, "../x"), command(end)), "no name": streamOf(command(mkfile, pathOf, "d/"), command(end)),
	} {
		if got, err := Read(bytes.NewReader(text), 100); !errors.Is(err, ErrStream) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for i := range whole {
		if _, err := Read(bytes.NewReader(whole[:i]), 100); !errors.Is(err, ErrStream) {
			t.Errorf("cut off after %d bytes: %v", i, err)
		}
	}
	var many [][]byte
	for i := range 200 {
		many = append(many, command(mkfile, pathOf, fmt.Sprint(i)))
	}
	if got, err := Read(bytes.NewReader(streamOf(append(many, command(end))...)), 100); !errors.Is(err, ErrMany) || got != nil {
		t.Errorf("too many: %d, %v", len(got), err)
	}
}

// Paths are bounded as well as things: whoever works in a tree chooses both.
func TestLongPaths(t *testing.T) {
	long := strings.Repeat("d/", 2000)
	var commands [][]byte
	for dir := range 2000 {
		commands = append(commands, command(mkdir, pathOf, strings.Repeat("d/", dir)+"d"))
	}
	for i := range 20_000 {
		commands = append(commands, command(mkfile, pathOf, long+fmt.Sprint(i)))
	}
	if _, err := Read(bytes.NewReader(streamOf(append(commands, command(end))...)), 100_000); !errors.Is(err, ErrMany) {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(streamOf(command(mkdir, pathOf, "d"), command(rename, pathOf, "d", pathTo, "a/b"), command(link, pathOf, "c", linkTo, "a/b"), command(end)))
	f.Add(streamOf(command(rename, pathOf, "a", pathTo, "a/b"), command(end)))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := Read(bytes.NewReader(text), 50)
		if err != nil {
			return
		}
		for _, c := range all {
			if c.Path == "" || strings.Contains(c.Path, "//") {
				t.Errorf("%+v", c)
			}
		}
	})
}
