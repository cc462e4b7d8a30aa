package policy

import (
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"forkgate/gate"
)

// What a fork may use of each where no rule that permits it speaks of it. Egress is nothing, and io is not weighted.
const (
	DefaultQuota  = 20 << 30 // bytes
	DefaultMemory = 4 << 30  // bytes
	DefaultPids   = 2048
	DefaultCPU    = 200 // percent of one processor
)

// DefaultLimits are the limits of a fork of which no rule says more.
func DefaultLimits() gate.Limits { return bounds{}.limits() }

// Less than this is no use to anybody: a pod does not start with it, or nothing can be done in it.
const (
	minQuota  = 16 << 20
	minMemory = 64 << 20
	minPids   = 64      // the pod's own take some twenty
	maxPids   = 1 << 22 // PID_MAX_LIMIT, linux/threads.h
	maxCPU    = 8192    // processors, NR_CPUS of the largest kernels
	maxWeight = 10000   // systemd.resource-control(5), IOWeight=
	minTTL    = 10 * time.Second
)

// bounds are limits as rules state them: what is zero is not spoken of. The strictest of what is spoken of wins, in whatever
// order: merge is associative and commutative, and its zero changes nothing.
type bounds struct {
	quota, memory, pids, cpu, io, ttl uint64
	renew                             renewal
	egress                            *reaches // nil: not spoken of
}

// renewal is whether use has the ttl begin again: the zero renewal is not spoken of.
type renewal uint64

const (
	neverRenewed renewal = iota + 1
	renewedByUse
)

func (b bounds) merge(other bounds) bounds {
	return bounds{
		quota: stricter(b.quota, other.quota), memory: stricter(b.memory, other.memory), pids: stricter(b.pids, other.pids),
		cpu: stricter(b.cpu, other.cpu), io: stricter(b.io, other.io), egress: b.egress.intersect(other.egress),
		ttl: stricter(b.ttl, other.ttl), renew: stricter(b.renew, other.renew),
	}
}

func stricter[T ~uint64](a, b T) T {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// limits fills in what no rule speaks of.
func (b bounds) limits() gate.Limits {
	return b.merge(bounds{
		quota: unless(b.quota, DefaultQuota), memory: unless(b.memory, DefaultMemory),
		pids: unless(b.pids, DefaultPids), cpu: unless(b.cpu, DefaultCPU),
	}).stated()
}

func unless(said, otherwise uint64) uint64 {
	if said > 0 {
		return 0
	}
	return otherwise
}

// stated are the limits that are spoken of and no others.
func (b bounds) stated() gate.Limits {
	return gate.Limits{Quota: b.quota, Memory: b.memory, Pids: b.pids, CPU: b.cpu, IO: b.io, Egress: b.egress.texts(), TTL: b.ttl, Renew: b.renew == renewedByUse}
}

// String shows what is spoken of.
func (b bounds) String() string {
	if b.egress == nil {
		return b.stated().Amounts()
	}
	return b.stated().String()
}

// readBounds reads the fields that a limits block and a repository block have in common.
func readBounds(f *fields) bounds {
	return bounds{
		memory: f.size("memory", minMemory),
		pids:   f.number("pids", minPids, maxPids),
		cpu:    f.processors("cpu"),
		io:     f.number("io", 1, maxWeight),
		egress: f.egress("egress"),
	}
}

// limitsOf reads the limits blocks of a permit or of what a test expects; it has one at most.
func (l *loader) limitsOf(blocks hcl.Blocks) (bounds, bool) {
	if len(blocks) == 0 {
		return bounds{}, true
	}
	for _, second := range blocks[1:] {
		l.complain(second.DefRange, "Duplicate block", "There is a limits block already, at %s.", place(blocks[0].DefRange))
	}
	f := l.fields(blocks[0])
	b := readBounds(f)
	b.quota = f.size("quota", minQuota)
	b.ttl = uint64(f.duration("ttl", minTTL, 0) / time.Second)
	b.renew = f.renewal("renew")
	if len(f.attrs) == 0 && !f.broken {
		f.complain(f.at, "Empty block", "These limits limit nothing: name quota, memory, pids, cpu, io, egress, ttl or renew.")
	}
	return b, !f.broken
}

// size reads a number of bytes such as "20GiB"; zero where the attribute is missing.
func (f *fields) size(name string, least uint64) uint64 {
	attr, ok := f.attrs[name]
	if !ok {
		return 0
	}
	text, ok := literalText(attr.Expr)
	if !ok {
		f.complain(attr.Expr.Range(), "Wrong type", "%s is a quoted text such as \"20GiB\", in KiB, MiB, GiB or TiB.", name)
		return 0
	}
	bytes, err := gate.ParseSize(text)
	if err != nil {
		f.complain(attr.Expr.Range(), "Malformed size", "%s is no size: write it like \"20GiB\", in KiB, MiB, GiB or TiB.", quoted(text))
		return 0
	}
	if bytes < least {
		f.complain(attr.Expr.Range(), "Out of range", "%s is at least %s: nothing works with less.", name, gate.FormatSize(least))
	}
	return bytes
}

// renewal reads true or false; zero where the attribute is missing.
func (f *fields) renewal(name string) renewal {
	switch {
	case !f.has(name):
		return 0
	case f.flag(name):
		return renewedByUse
	}
	return neverRenewed
}

// number reads a whole number; zero where the attribute is missing.
func (f *fields) number(name string, least, most int) uint64 {
	attr, ok := f.attrs[name]
	if !ok {
		return 0
	}
	n, ok := literalNumber(attr.Expr)
	if !ok {
		f.complain(attr.Expr.Range(), "Wrong type", "%s is a whole number, without quotes.", name)
		return 0
	}
	if n < least || n > most {
		between := fmt.Sprintf("%d to %d", least, most)
		if least == most {
			between = strconv.Itoa(least)
		}
		f.complain(attr.Expr.Range(), "Out of range", "%s is %s.", name, between)
		return 0
	}
	return uint64(n)
}

// processors reads a number of processors such as 1.5, and returns it in percents of one.
func (f *fields) processors(name string) uint64 {
	attr, ok := f.attrs[name]
	if !ok {
		return 0
	}
	l, ok := attr.Expr.(*hclsyntax.LiteralValueExpr)
	if !ok || l.Val.IsNull() || l.Val.Type() != cty.Number {
		f.complain(attr.Expr.Range(), "Wrong type", "%s is a number of processors such as 2 or 1.5, without quotes.", name)
		return 0
	}
	percent, _ := new(big.Float).Add(new(big.Float).Mul(l.Val.AsBigFloat(), big.NewFloat(100)), big.NewFloat(0.5)).Int64()
	if percent < 1 || percent > 100*maxCPU {
		f.complain(attr.Expr.Range(), "Out of range", "%s is 0.01 to %d processors.", name, maxCPU)
		return 0
	}
	return uint64(percent)
}
