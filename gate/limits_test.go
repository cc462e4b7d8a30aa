package gate

import "testing"

func TestSizes(t *testing.T) {
	for text, bytes := range map[string]uint64{"1KiB": 1 << 10, "1536MiB": 1536 << 20, "20GiB": 20 << 30, "3TiB": 3 << 40} {
		if got, err := ParseSize(text); err != nil || got != bytes {
			t.Errorf("%s is %d, %v", text, got, err)
		}
		if got := FormatSize(bytes); got != text {
			t.Errorf("%d is written %s, not %s", bytes, got, text)
		}
	}
	for _, text := range []string{"", "20", "GiB", "0GiB", "-1GiB", "+1GiB", "1.5GiB", "20GB", "20G", " 1GiB", "1 GiB", "9223372036854775807TiB", "8388608TiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	if got := FormatSize(1025); got != "1025 bytes" {
		t.Error(got)
	}
}

func TestLimitsAreShown(t *testing.T) {
	for want, l := range map[string]Limits{
		"egress nothing":                {},
		"quota 1GiB, cpu 1.5, egress *": {Quota: 1 << 30, CPU: 150, Egress: []string{"*"}},
		"memory 1KiB, pids 7, io weight 50, egress 10.0.0.0/8 192.0.2.0/24:443": {Memory: 1024, Pids: 7, IO: 50,
			Egress: []string{"10.0.0.0/8", "192.0.2.0/24:443"}},
	} {
		if got := l.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
