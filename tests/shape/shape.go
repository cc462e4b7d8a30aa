// Package shape keeps what two parts of forkgate say to each other as it is: each message with all of its fields, as JSON, in a file for each version of
// the protocol. What the present version has must be what the code says; what the version before has, the code must still read.
package shape

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"forkgate/nsjail/wire"
)

// Check compares the shapes of messages with testdata/NAME.vN.jsonl, of the protocol's newest version, and has read read those of all versions that
// are understood. UPDATE=1 writes the newest one where there is none.
func Check(t *testing.T, name string, p wire.Protocol, messages map[string]any, read func(name string, body json.RawMessage) error) {
	t.Helper()
	if p.Oldest < p.Newest-1 || p.Oldest > p.Newest || p.Oldest < 1 {
		t.Errorf("%s protocol has the versions %d to %d: what is older than the one before goes", p.What, p.Oldest, p.Newest)
	}
	file := func(version int) string { return filepath.Join("testdata", fmt.Sprintf("%s.v%d.jsonl", name, version)) }
	now := lines(t, messages)
	if _, err := os.Stat(file(p.Newest)); err != nil && os.Getenv("UPDATE") != "" {
		if err := errorsOf(os.MkdirAll("testdata", 0o755), os.WriteFile(file(p.Newest), now, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	was, err := os.ReadFile(file(p.Newest))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(now, was) {
		t.Errorf("%s protocol is not what it was in version %d: raise it in nsjail/wire/protocol.go, read both, and write the new one by UPDATE=1.\nIt was\n%s\nand is\n%s", p.What, p.Newest, was, now)
	}
	for version := p.Oldest; version <= p.Newest; version++ {
		each(t, file(version), func(name string, body json.RawMessage) {
			if err := read(name, body); err != nil {
				t.Errorf("version %d of %s protocol: %s is not understood: %v", version, p.What, name, err)
			}
		})
	}
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// line is one message in a file.
type line struct {
	Name string          `json:"name"`
	Body json.RawMessage `json:"body"`
}

func lines(t *testing.T, messages map[string]any) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		v := reflect.New(reflect.TypeOf(messages[name])).Elem()
		fill(v, 0)
		body, err := json.Marshal(v.Interface())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, _ := json.Marshal(line{name, body})
		all.Write(append(text, '\n'))
	}
	return all.Bytes()
}

func each(t *testing.T, file string, do func(string, json.RawMessage)) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(nil, len(text)+1)
	for scan.Scan() {
		var l line
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		do(l.Name, l.Body)
	}
}

// Strictly reads a body into a new value of the same type as v, as wire does.
func Strictly(v any, body json.RawMessage) error {
	return wire.Message{Type: "message", Body: body}.Decode(reflect.New(reflect.TypeOf(v)).Interface())
}

// fill gives every field something, so that none is left out for being empty.
func fill(v reflect.Value, deep int) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.MustParseAddrPort("192.0.2.1:22")))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("192.0.2.1")))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("192.0.2.0/30")))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.String:
		v.SetString("s")
	case reflect.Pointer:
		if deep < 8 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), deep+1)
		}
	case reflect.Slice:
		if deep < 8 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), deep+1)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, deep+1)
		fill(value, deep+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !strings.HasPrefix(f.Tag.Get("json"), "-") {
				fill(v.Field(i), deep+1)
			}
		}
	}
}
