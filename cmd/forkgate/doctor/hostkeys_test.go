package doctor

import "time"

// certified is a host with a key and a certificate of it, which is over after some time.
func certified(fault string, left time.Duration) func(*fake) {
	until := time.Now().Add(left).UTC()
	return func(f *fake) {
		f.keys = []HostKey{{File: "ssh_host_ed25519_key"}, {File: "ssh_host_ed25519_key-cert.pub", Certificate: true, Fault: fault, Until: &until}}
	}
}

func brokenHostKeys() []breakage {
	const day = 24 * time.Hour
	return []breakage{
		{"host keys", Red, "not permitted", "hostkey list", func(f *fake) { f.noKeys = errDenied }},
		{"host keys", Yellow, "of another key", "hostkey certify", certified("it is of another key", 100*day)},
		{"host keys", Yellow, "ssh_host_ed25519_key-cert.pub is over on " + time.Now().Add(29*day).UTC().Format(time.DateOnly), "hostkey certify", certified("", 29*day)},
		{"host keys", Yellow, "has been over since", "hostkey certify", certified("", -day)},
	}
}

func soundHostKeys() []other {
	return []other{
		{"host keys", "the warden makes them", func(f *fake) { f.keys = nil }},
		{"host keys", "1, and certificates of 1", certified("", 31*24*time.Hour)},
		{"host keys", "1, and certificates of 1", func(f *fake) {
			f.keys = []HostKey{{File: "ssh_host_ed25519_key"}, {File: "ssh_host_ed25519_key-cert.pub", Certificate: true}} // for ever
		}},
	}
}
