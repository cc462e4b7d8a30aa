package gate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Limits are what a fork may use of its host. The decision on op fork fixes them, and they are stored with the fork; a grand
// repository takes them from its block in the policy. The zero Limits open no network and set no bound; policy fills in
// what its rules leave out.
type Limits struct {
	Quota  uint64   `json:"quota,omitempty"`  // bytes of the pool, over all of a fork's subvolumes
	Memory uint64   `json:"memory,omitempty"` // bytes
	Pids   uint64   `json:"pids,omitempty"`   // processes and threads
	CPU    uint64   `json:"cpu,omitempty"`    // percent of one processor: 200 are two
	IO     uint64   `json:"io,omitempty"`     // weight, 1 to 10000; 100 is the usual
	Egress []string `json:"egress,omitempty"` // where connections may go: nothing, "*", or CIDR[:PORT[/tcp|udp]]
	TTL    uint64   `json:"ttl,omitempty"`    // seconds that it is kept; 0: until somebody removes it
	Renew  bool     `json:"renew,omitempty"`  // the end of each session in it has those begin again
}

// String shows the limits to a person.
func (l Limits) String() string {
	if amounts := l.Amounts(); amounts != "" {
		return amounts + ", egress " + FormatEgress(l.Egress)
	}
	return "egress " + FormatEgress(l.Egress)
}

// Amounts shows the limits that are amounts; what is not bounded is left out.
func (l Limits) Amounts() string {
	var parts []string
	for _, part := range []struct {
		name  string
		value uint64
		text  func(uint64) string
	}{
		{"quota", l.Quota, FormatSize},
		{"memory", l.Memory, FormatSize},
		{"pids", l.Pids, plain},
		{"cpu", l.CPU, FormatCPU},
		{"io weight", l.IO, plain},
		{"ttl", l.TTL, l.lives},
	} {
		if part.value > 0 {
			parts = append(parts, part.name+" "+part.text(part.value))
		}
	}
	return strings.Join(parts, ", ")
}

func (l Limits) lives(seconds uint64) string {
	text := Span(time.Duration(seconds) * time.Second)
	if l.Renew {
		text += " from its last use"
	}
	return text
}

// FormatSize writes a number of bytes in the largest unit that it is a whole number of, as policy files do: 20GiB.
func FormatSize(bytes uint64) string {
	for _, unit := range sizeUnits {
		if bytes > 0 && bytes%unit.Bytes == 0 {
			return strconv.FormatUint(bytes/unit.Bytes, 10) + unit.Name
		}
	}
	return strconv.FormatUint(bytes, 10) + " bytes"
}

// sizeUnits are the units of sizes, largest first.
var sizeUnits = []struct {
	Name  string
	Bytes uint64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// ParseSize reads a size as policy files write it: a whole number and its unit.
func ParseSize(s string) (uint64, error) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(s, unit.Name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || n == 0 || strings.HasPrefix(digits, "+") || n > math.MaxInt64/unit.Bytes {
			break
		}
		return n * unit.Bytes, nil
	}
	return 0, fmt.Errorf("%.40q is no size: write it like 20GiB, in KiB, MiB, GiB or TiB", s)
}

// FormatCPU writes percents of one processor as a number of processors: 150 is 1.5.
func FormatCPU(percent uint64) string {
	return strconv.FormatFloat(float64(percent)/100, 'f', -1, 64)
}

// FormatEgress writes where connections may go.
func FormatEgress(egress []string) string {
	if len(egress) == 0 {
		return "nothing"
	}
	return strings.Join(egress, " ")
}

func plain(n uint64) string { return strconv.FormatUint(n, 10) }
