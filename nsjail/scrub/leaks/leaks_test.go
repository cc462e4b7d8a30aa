package leaks

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Keys are put together here: who looks for keys in this repository is to find none.
var (
	aws    = "AKIA" + "Z7QWMXT5NRPLKJ2A"
	stripe = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dcAbCdEfGh"
)

func TestFind(t *testing.T) {
	f, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	text := "# settings\nAWS_ACCESS_KEY_ID=" + aws + "\nHOST=db\nKEY=" + stripe + " # gitleaks:allow\nDATABASE_URL=postgres://shop:hunter2@db/shop\n" +
		"root:$6$saltsalt$" + strings.Repeat("aB3/", 21) + "aB:19000:0:\nhttps://example.com:443/@x\n${USER}://a:${PASSWORD}@b\n"
	want := []Leak{
		{2, "aws-access-token", aws}, {4, "stripe-access-token", stripe}, {5, "password-in-url", "hunter2"},
		{6, "password-hash", "$6$saltsalt$" + strings.Repeat("aB3/", 21) + "aB"},
	}
	if diff := cmp.Diff(want, f.Find([]byte(text))); diff != "" {
		t.Error(diff)
	}
	if found := f.Find([]byte("nothing\nhere\n")); len(found) > 0 {
		t.Errorf("%v", found)
	}
}

func TestIgnore(t *testing.T) {
	f, err := New([]string{"stripe-access-token", "generic-api-key"})
	if err != nil {
		t.Fatal(err)
	}
	if found := f.Find([]byte("KEY=" + stripe + "\n")); len(found) > 0 {
		t.Errorf("%v", found)
	}
	if _, err := New([]string{"stripe"}); err == nil || err.Error() != `"stripe" is no kind of credential` {
		t.Errorf("%v", err)
	}
	kinds, err := Kinds()
	if err != nil || len(kinds) < 200 {
		t.Errorf("%d kinds, %v", len(kinds), err)
	}
}

func TestPrintable(t *testing.T) {
	got := string(Printable([]byte("\x00\x01KEY=" + aws + "\x00short\x00\tlong enough\xff")))
	if want := "KEY=" + aws + "\n\tlong enough\n"; got != want {
		t.Errorf("%q", got)
	}
}

// What was made up to stand in the place of a credential is none, though it looks like one to everybody else.
func TestMade(t *testing.T) {
	f, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		value := Made()
		if found := f.Find([]byte("api_key = \"" + value + "\"\nDB_PASSWORD=" + value + "\n")); len(found) > 0 {
			t.Errorf("%q is found: %v", value, found)
		}
	}
	if found := f.Find([]byte("DB_PASSWORD=" + strings.TrimPrefix(Made(), "sandbox-") + "\n")); len(found) == 0 {
		t.Error("nor is one without that form found: this test proves nothing")
	}
}
