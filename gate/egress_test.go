package gate

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseEgress(t *testing.T) {
	for text, want := range map[string]Egress{
		"*":                       {All: true},
		"*:443/tcp":               {All: true, Port: 443, Proto: "tcp"},
		"0.0.0.0/0":               {Prefix: netip.MustParsePrefix("0.0.0.0/0")},
		"93.184.216.34":           {Prefix: netip.MustParsePrefix("93.184.216.34/32")},
		"93.184.216.0/24:80":      {Prefix: netip.MustParsePrefix("93.184.216.0/24"), Port: 80},
		"10.1.2.3:5432/tcp":       {Prefix: netip.MustParsePrefix("10.1.2.3/32"), Port: 5432, Proto: "tcp"},
		"192.168.0.0/16:53/udp":   {Prefix: netip.MustParsePrefix("192.168.0.0/16"), Port: 53, Proto: "udp"},
		"[::/0]":                  {Prefix: netip.MustParsePrefix("::/0")},
		"[::/0]:443":              {Prefix: netip.MustParsePrefix("::/0"), Port: 443},
		"[2606:4700::1111]":       {Prefix: netip.MustParsePrefix("2606:4700::1111/128")},
		"[2001:db8::/32]:443/tcp": {Prefix: netip.MustParsePrefix("2001:db8::/32"), Port: 443, Proto: "tcp"},
		"[fd12:3456::1]:53/udp":   {Prefix: netip.MustParsePrefix("fd12:3456::1/128"), Port: 53, Proto: "udp"},
		"[64:ff9b::/96]":          {Prefix: netip.MustParsePrefix("64:ff9b::/96")},
		"api.example.com:443":     {Name: "api.example.com", Port: 443},
		"*.example.org:80":        {Name: "*.example.org", Port: 80},
		"xn--bcher-kva.example:1": {Name: "xn--bcher-kva.example", Port: 1},
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
		"example.com":            "write example.com:443",
		"*.example.com":          "write *.example.com:443",
		"example.com:443/udp":    "by tcp",
		"example.com:0":          "ports are 1 to 65535",
		"example:443":            `write "*"`,
		"*.com:443":              `write "*"`,
		"*example.com:443":       `write "*"`,
		"a.*.example.com:443":    `write "*"`,
		"-a.example.com:443":     `write "*"`,
		"a..example.com:443":     `write "*"`,
		"example.com.:443":       `write "*"`,
		"example.com/24:443":     `write "*"`,
		"1.2.3.4x:443":           `write "*"`,
		"https://example.com":    `write "*"`,
		"10.0.0.1/8":             "the range is 10.0.0.0/8",
		"10.0.0.0/33":            `write "*"`,
		"1.2.3.4:":               "ports are 1 to 65535",
		"1.2.3.4:0":              "ports are 1 to 65535",
		"1.2.3.4:+1":             "ports are 1 to 65535",
		"1.2.3.4:0443":           "ports are 1 to 65535",
		"1.2.3.4:65536":          "ports are 1 to 65535",
		"1.2.3.4:80/":            "write tcp or udp",
		"1.2.3.4:80/sctp":        "write tcp or udp",
		"2001:db8::/32":          "in brackets",
		"2001:db8::1:443":        "in brackets", // a port, or not
		"::1":                    "in brackets",
		"[2001:db8::1":           "write [ADDRESS]",
		"[2001:db8::1]443":       "write [ADDRESS]",
		"[]":                     "write [ADDRESS]",
		"[*]":                    "write [ADDRESS]",
		"[1.2.3.4]":              "write [ADDRESS]",
		"[[2001:db8::1]]":        "write [ADDRESS]",
		"[2001:db8::1]:":         "ports are 1 to 65535",
		"[2001:db8::1]:80:80":    "ports are 1 to 65535",
		"[2001:db8::1]:80/icmp":  "write tcp or udp",
		"[2001:db8::1%eth0]":     `write "*"`,
		"[2001:db8::/129]":       `write "*"`,
		"[2001:db8::1/32]":       "the range is 2001:db8::/32",
		"[2001:db8::1 ]":         `write "*"`,
		"[::]":                   "never reachable",
		"[::1]:22":               "never reachable",
		"[::ffff:10.0.0.1]":      "never reachable",
		"[::ffff:a9fe:a9fe]:80":  "never reachable",
		"[::ffff:0:0/96]":        "never reachable",
		"[::a00:1]":              "never reachable", // 10.0.0.1, the old way
		"[fe80::1]":              "never reachable",
		"[fe80::a9fe:a9fe]":      "never reachable",
		"[fe80::/10]":            "never reachable",
		"[ff02::1]":              "never reachable",
		"[fd00:ec2::254]:80":     "never reachable",
		"[fd20:ce::254]":         "never reachable",
		"[fd00:c1::a9fe:a9fe]":   "never reachable",
		"[fd00:42::42]":          "never reachable",
		"[100::1]":               "never reachable",
		"[2002:a9fe:a9fe::1]":    "never reachable",
		"[2002::/16]":            "never reachable",
		"[2001::1]":              "never reachable", // Teredo
		"[64:ff9b::a9fe:a9fe]":   "never reachable",
		"[64:ff9b::7f00:1]":      "never reachable",
		"[64:ff9b:1::a00:1]":     "never reachable",
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
		{"*", "0.0.0.0/0", "0.0.0.0/0"},
		{"*", "[::/0]:443", "[::/0]:443"},
		{"*:80", "*:80/tcp", "*:80/tcp"},
		{"0.0.0.0/0", "[::/0]", ""},
		{"*", "[2606:4700::/32]", "[2606:4700::/32]"},
		{"[::/0]:443", "[2606:4700::/32]", "[2606:4700::/32]:443"},
		{"*", "[fd12::1]", ""},
		{"[::/0]", "[fd12::1]", ""},
		{"[::/0]", "[64:ff9b::/96]", ""},
		{"[::/0]", "[2001:db8::1]", ""},
		{"[fd00::/8]", "[fd12::1]", "[fd12::1]"},
		{"[fd12::/16]", "10.0.0.0/8", ""},
		{"*", "api.example.com:443", "api.example.com:443"},
		{"*:443/tcp", "api.example.com:443", "api.example.com:443"},
		{"*:443/udp", "api.example.com:443", ""},
		{"*:80", "api.example.com:443", ""},
		{"0.0.0.0/0", "api.example.com:443", ""}, // which addresses it has nobody knows
		{"api.example.com:443", "api.example.com:443", "api.example.com:443"},
		{"api.example.com:443", "api.example.com:80", ""},
		{"api.example.com:443", "*.example.com:443", "api.example.com:443"},
		{"*.eu.example.com:443", "*.example.com:443", "*.eu.example.com:443"},
		{"example.com:443", "*.example.com:443", ""}, // which is below it
		{"evilexample.com:443", "*.example.com:443", ""},
		{"*.a.example.com:443", "*.b.example.com:443", ""},
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

func TestEgressReaches(t *testing.T) {
	for text, want := range map[string]bool{
		"api.example.com:443 api.example.com 443":    true,
		"api.example.com:443 api.example.com 80":     false,
		"api.example.com:443 x.api.example.com 443":  false,
		"*.example.com:443 api.example.com 443":      true,
		"*.example.com:443 a.b.example.com 443":      true,
		"*.example.com:443 example.com 443":          false,
		"*.example.com:443 evilexample.com 443":      false,
		"*.example.com:443 .example.com 443":         false,
		"*.example.com:443 *.example.com 443":        false,
		"*.example.com:443 a\x00.example.com 443":    false,
		"*.example.com:443 api.example.com. 443":     false,
		"*:443 api.example.com 443":                  false,
		"0.0.0.0/0:443 api.example.com 443":          false,
		"api.example.com:443 API.example.com 443":    false, // whoever asks has made it small
		"api.example.com:443 api.example.com.eu 443": false,
	} {
		words := strings.Split(text, " ")
		port, err := parsePort(words[2])
		if err != nil {
			t.Fatal(err)
		}
		if got := egress(t, words[0]).Reaches(words[1], port); got != want {
			t.Errorf("%s: %t", text, got)
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
	f.Add("[2001:db8::/32]:443/tcp")
	f.Add("*.example.com:443")
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

// What is neither public nor somebody's own does not slip between the lists: IPv6 has public addresses in 2000::/3 alone.
func TestRangesOfIPv6(t *testing.T) {
	for text, private := range map[string]bool{
		"[2606:4700::1]": false, "[2a00::1]": false, "[3ffe::1]": false, "[::/0]": false, "[2000::/3]": false, "[2001:4860::1]": false,
		"[fd12::1]": true, "[fc00::/7]": true, "[fec0::1]": true, "[2001:db8::1]": true, "[3fff::1]": true, "[2001:20::1]": true,
		"[64:ff9b::808:808]": true, "[64:ff9b::/96]": true, "[4000::1]": true, "[a000::1]": true, "[fe00::1]": true, "[100:0:0:1::1]": true, "[200::1]": true,
	} {
		if got := egress(t, text).Private(); got != private {
			t.Errorf("%s: private %t", text, got)
		}
	}
	lists := append(append(NeverReached6(), Private6()...), netip.MustParsePrefix("2000::/3"))
	for first := range 256 {
		address := netip.AddrFrom16([16]byte{byte(first), 1, 2, 3})
		held := false
		for _, p := range lists {
			held = held || p.Contains(address)
		}
		if !held {
			t.Errorf("%s is on no list", address)
		}
	}
}
