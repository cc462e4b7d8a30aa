package gate

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseEgress(t *testing.T) {
	for text, want := range map[string]Egress{
		"*":                     {netip.MustParsePrefix("0.0.0.0/0"), 0, ""},
		"*:443/tcp":             {netip.MustParsePrefix("0.0.0.0/0"), 443, "tcp"},
		"93.184.216.34":         {netip.MustParsePrefix("93.184.216.34/32"), 0, ""},
		"93.184.216.0/24:80":    {netip.MustParsePrefix("93.184.216.0/24"), 80, ""},
		"10.1.2.3:5432/tcp":     {netip.MustParsePrefix("10.1.2.3/32"), 5432, "tcp"},
		"192.168.0.0/16:53/udp": {netip.MustParsePrefix("192.168.0.0/16"), 53, "udp"},
	} {
		got, err := ParseEgress(text)
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
		if got.String() != text {
			t.Errorf("%s prints as %s", text, got)
		}
	}
}

func TestParseEgressRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                       `write "*"`,
		"example.com":            `write "*"`,
		"example.com:443":        `write "*"`,
		"10.0.0.1/8":             "the range is 10.0.0.0/8",
		"10.0.0.0/33":            `write "*"`,
		"1.2.3.4:":               "ports are 1 to 65535",
		"1.2.3.4:0":              "ports are 1 to 65535",
		"1.2.3.4:+1":             "ports are 1 to 65535",
		"1.2.3.4:0443":           "ports are 1 to 65535",
		"1.2.3.4:65536":          "ports are 1 to 65535",
		"1.2.3.4:80/":            "write tcp or udp",
		"1.2.3.4:80/sctp":        "write tcp or udp",
		"::1":                    "no IPv6",
		"2001:db8::/32":          "no IPv6",
		"[2001:db8::1]:80":       "no IPv6",
		"::ffff:10.0.0.1":        "no IPv6",
		"127.0.0.1":              "never reachable",
		"127.0.0.0/8:80":         "never reachable",
		"169.254.169.254:80/tcp": "never reachable",
		"168.63.129.16":          "never reachable",
		"100.100.100.200":        "never reachable",
		"224.0.0.251:5353/udp":   "never reachable",
		"255.255.255.255":        "never reachable",
		"0.0.0.0":                "never reachable",
	} {
		if got, err := ParseEgress(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
}

func TestEgressIntersect(t *testing.T) {
	for _, test := range []struct{ a, b, want string }{
		{"*", "*", "*"},
		{"*", "93.184.216.34:443/tcp", "93.184.216.34:443/tcp"},
		{"93.184.216.0/24:443", "93.0.0.0/8:443/tcp", "93.184.216.0/24:443/tcp"},
		{"10.0.0.0/8:443", "10.1.0.0/16", "10.1.0.0/16:443"},
		{"*", "10.1.2.3", ""}, // what "*" does not open, no other rule gets through it
		{"8.0.0.0/5", "10.1.2.3", ""},
		{"1.1.1.1", "1.1.1.2", ""},
		{"1.1.1.1:80", "1.1.1.1:81", ""},
		{"1.1.1.1:80/tcp", "1.1.1.1:80/udp", ""},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			got := ""
			if e, ok := egress(t, pair[0]).Intersect(egress(t, pair[1])); ok {
				got = e.String()
			}
			if got != test.want {
				t.Errorf("%q: got %q, want %q", pair, got, test.want)
			}
		}
	}
}

func egress(t *testing.T, text string) Egress {
	t.Helper()
	e, err := ParseEgress(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestParsePublish(t *testing.T) {
	if p, err := ParsePublish("443:8443/tcp"); err != nil || p != (Publish{443, 8443, "tcp"}) || p.String() != "443:8443/tcp" {
		t.Errorf("got %v, %v", p, err)
	}
	for _, text := range []string{"", "443", "443:8443", "443:8443/", "443:8443/sctp", "0:1/tcp", "1:0/tcp", "1:70000/udp", "a:b/tcp", ":1/tcp",
		"127.0.0.1:443:8443/tcp", "1:2/tcp/udp"} {
		if p, err := ParsePublish(text); err == nil {
			t.Errorf("%q is %v", text, p)
		}
	}
}

func FuzzParseEgress(f *testing.F) {
	f.Add("*:443/tcp")
	f.Add("10.0.0.0/8:53/udp")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseEgress(text)
		if err != nil {
			return
		}
		again, err := ParseEgress(e.String())
		if err != nil || again != e {
			t.Errorf("%q is %v, which reads as %v, %v", text, e, again, err)
		}
	})
}
