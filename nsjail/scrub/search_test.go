package scrub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"forkgate/nsjail/wire"
)

// These are put together here: who looks for credentials in this repository is to find none.
var (
	awsKey    = "AKIA" + "Z7QWMXT5NRPLKJ2A"
	stripeKey = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dcAbCdEfGh"
)

func everywhere(then string) wire.Scrub {
	return wire.Scrub{Name: "leaks", Files: []string{"**"}, Volumes: []string{"**"}, Images: []string{"*/diff/**"}, Leaks: then, Ignore: []string{"generic-api-key"}}
}

func newLeaky(t *testing.T) *copied {
	c := newCopy(t)
	dir := filepath.Dir(c.data)
	c.write(filepath.Join(c.data, "app/settings.py"), "HOST = 'db'\n\nSTRIPE = '"+stripeKey+"' # gitleaks:allow\n")
	c.write(filepath.Join(c.volumes, "pg/_data/base/1"), "\x00\x01\x02"+awsKey+" \x00\n"+"AKIA"+"Z7QWMXT5NRPLKJ2B"+" \x00\n")
	c.write(filepath.Join(c.images, "abc/diff/etc/app.env"), "AWS_ACCESS_KEY_ID="+awsKey+"\n")
	c.write(filepath.Join(dir, "elsewhere"), stripeKey)
	if err := errors.Join(os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(c.data, "link")), os.Symlink("app/settings.py", filepath.Join(c.data, "other")),
		syscall.Mkfifo(filepath.Join(c.data, "fifo"), 0o666)); err != nil {
		t.Fatal(err)
	}
	return c
}

var leaky = []wire.Leak{
	{Place: "data", File: "app/settings.py", Line: 3, Kind: "stripe-access-token"},
	{Place: "images", File: "abc/diff/etc/app.env", Line: 1, Kind: "aws-access-token"},
	{Place: "volumes", File: "pg/_data/base/1", Kind: "aws-access-token"},
}

// Credentials are found wherever they lie, with file and line and without their value; links lead nowhere.
func TestLeaksAreReported(t *testing.T) {
	c := newLeaky(t)
	done := c.do(everywhere(wire.Report))
	if done.Error != "" || len(done.Steps) != 1 || done.Steps[0].Total != 4 || done.Steps[0].Files != 10 {
		t.Fatalf("%+v", done)
	}
	if diff := cmp.Diff(leaky, done.Steps[0].Found); diff != "" {
		t.Error(diff)
	}
	if said := fmt.Sprint(done, c.said.String()); strings.Contains(said, stripeKey) || strings.Contains(said, awsKey) {
		t.Errorf("it says the value: %s", said)
	}
}

func TestLeaksAreRefused(t *testing.T) {
	c := newLeaky(t)
	done := c.do(everywhere(wire.Refuse))
	const want = `scrub "leaks": credentials are in it: stripe-access-token in data "app/settings.py", line 3, aws-access-token in images "abc/diff/etc/app.env", line 1, ` +
		`aws-access-token in volumes "pg/_data/base/1", line 0, and 1 more`
	if done.Error != want {
		t.Errorf("%s", done.Error)
	}
	if done := c.do(wire.Scrub{Name: "leaks", Files: []string{"*.sql"}, Leaks: wire.Refuse}); done.Error != "" { // the control
		t.Errorf("where there are none: %s", done.Error)
	}
	if done := c.do(wire.Scrub{Name: "leaks", Files: []string{"*.sql"}, Leaks: wire.Refuse, Ignore: []string{"stripe"}}); done.Error == "" {
		t.Error("a kind that is none is taken")
	}
}

// A value that was found is written over everywhere in its file. What is no text is not: then the copy is nobody's.
func TestLeaksAreRedacted(t *testing.T) {
	c := newLeaky(t)
	c.write(filepath.Join(c.data, "app/settings.py"), "STRIPE = '"+stripeKey+"'\n# was "+stripeKey+"\n")
	rule := everywhere(wire.Redact)
	rule.Volumes = nil
	if done := c.do(rule); done.Error != "" || done.Steps[0].Total != 3 {
		t.Errorf("%+v", done)
	}
	c.write(filepath.Join(c.data, "app/db.yml"), "db: mysql://shop:sql@db/sql_1\nkind: sql\n")
	if done := c.do(rule); done.Error != "" {
		t.Errorf("%+v", done)
	}
	c.want("app/db.yml", "db: mysql://shop:xxx@db/sql_1\nkind: xxx\n")
	over := strings.Repeat("x", len(stripeKey))
	c.want("app/settings.py", "STRIPE = '"+over+"'\n# was "+over+"\n")
	if done := c.do(everywhere(wire.Redact)); !strings.Contains(done.Error, "is no text") {
		t.Errorf("%+v", done)
	}
}

// What lies where two pieces of a large file meet is found, once, and with its line.
func TestLeaksAtTheSeam(t *testing.T) {
	c := newCopy(t)
	filler := strings.Repeat("nothing\n", pieceSize/8)
	for _, before := range []int{-pieceOverlap, -40, -20, -8, 0} {
		text := strings.Repeat("nothing\n", pieceSize/8)[:pieceSize+before-1] + "\nK=" + awsKey + "\n" + filler
		c.write(filepath.Join(c.data, "large"), text)
		done := c.do(wire.Scrub{Name: "leaks", Files: []string{"large"}, Leaks: wire.Report})
		want := []wire.Leak{{Place: "data", File: "large", Line: strings.Count(text[:strings.Index(text, awsKey)], "\n") + 1, Kind: "aws-access-token"}}
		if diff := cmp.Diff(want, done.Steps[0].Found); diff != "" || done.Steps[0].Total != 1 {
			t.Errorf("%d: %s", before, diff)
		}
	}
}

// The report has an end, and the search one in time.
func TestLeaksWithoutEnd(t *testing.T) {
	c := newCopy(t)
	var many strings.Builder
	for n := range 3 * maxFound {
		fmt.Fprintf(&many, "postgres://user:secret%d@db/x\n", n)
	}
	c.write(filepath.Join(c.data, "many"), many.String())
	done := c.do(wire.Scrub{Name: "leaks", Files: []string{"many"}, Leaks: wire.Report})
	if s := done.Steps[0]; s.Total != 3*maxFound || len(s.Found) != maxFound {
		t.Errorf("%d of %d", len(s.Found), s.Total)
	}
	s, err := Open(wire.Scrubbing{Data: c.data, Volumes: c.volumes, Images: c.images}, nil, &c.said)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	late := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(late)
	if done := s.Do(ctx, []wire.Scrub{everywhere(wire.Report)}); !strings.Contains(done.Error, "too late") {
		t.Errorf("%+v", done)
	}
}
