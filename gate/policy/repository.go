package policy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"forkgate/gate"
)

// DefaultLinger is how long a person's work goes on in a grand repository after the connection broke, where nothing else is
// said.
const DefaultLinger = 10 * time.Minute

// Repository is what the files say of a grand repository: what its pod gets of the host. There is never a quota: see
// readRepository.
type Repository struct {
	Publish   []string      // HOSTPORT:PORT/tcp|udp
	Autostart bool          // its pod starts with the host
	Linger    time.Duration // of a person's work whose connection broke
	Limits    gate.Limits   // zero: not bounded; no egress: nothing
}

// Repository finds what is said of a grand repository. One without a block publishes nothing, reaches nothing, is started by
// who enters it, and is not bounded.
func (p *Policy) Repository(name string) Repository {
	r, ok := p.repositories[name]
	if !ok {
		return Repository{Linger: DefaultLinger}
	}
	r.Publish, r.Limits.Egress = slices.Clone(r.Publish), slices.Clone(r.Limits.Egress)
	return r
}

// Repositories lists those of which something is said, by name. They need not exist.
func (p *Policy) Repositories() []string { return slices.Sorted(maps.Keys(p.repositories)) }

// Autostart lists the repositories whose pods start with the host, by name.
func (p *Policy) Autostart() (names []string) {
	for name, r := range p.repositories {
		if r.Autostart {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (l *loader) readRepositories() {
	l.policy.repositories = map[string]Repository{}
	published := map[string]string{} // the host's PORT/PROTOCOL -> repository
	for _, block := range l.of("repository") {
		name := block.Labels[0]
		if err := gate.CheckName(name); err != nil {
			l.complain(block.LabelRanges[0], "Malformed name", "%q cannot be a repository: %v.", name, err)
		}
		l.policy.repositories[name] = l.readRepository(block, published)
	}
	l.policy.summary.Repos = len(l.policy.repositories)
}

func (l *loader) readRepository(block *hcl.Block, published map[string]string) Repository {
	f := l.fields(block)
	if quota, ok := f.attrs["quota"]; ok {
		f.complain(quota.NameRange, "No quota on a repository",
			"A grand repository never has a quota. The old data that forks still share stays charged to production when it rewrites "+
				"its files, so production would stop because of its forks. Give forks a quota, in the limits of a permit.")
	}
	if ttl, ok := f.attrs["ttl"]; ok {
		f.complain(ttl.NameRange, "No expiry of a repository", "A grand repository stays until it is removed. Give forks a ttl, in the limits of a permit.")
	}
	r := Repository{Autostart: f.flag("autostart"), Linger: f.duration("linger", 0, DefaultLinger), Limits: readBounds(f).stated()}
	for _, item := range f.list("publish") {
		port, err := gate.ParsePublish(item.text)
		if err != nil {
			f.complain(item.at, "Malformed port", "%s", sentence(err))
			continue
		}
		hosts := fmt.Sprintf("%d/%s", port.Host, port.Proto)
		if owner, taken := published[hosts]; taken {
			f.complain(item.at, "Duplicate port", "The host's port %s is %q's already.", hosts, owner)
			continue
		}
		published[hosts] = block.Labels[0]
		r.Publish = append(r.Publish, port.String())
	}
	return r
}

// duration reads a time such as "30m"; otherwise stands for an attribute that is missing.
func (f *fields) duration(name string, least, otherwise time.Duration) time.Duration {
	return f.upTo(name, least, otherwise, maxDuration)
}

// upTo is duration for what has a bound of its own.
func (f *fields) upTo(name string, least, otherwise, most time.Duration) time.Duration {
	if !f.has(name) {
		return otherwise
	}
	said := f.text(name)
	d, err := time.ParseDuration(said.text)
	switch {
	case said.text == "":
		f.complain(said.at, "Malformed time", "A time is a quoted text such as \"30m\" or \"1h30m\".")
	case err != nil:
		f.complain(said.at, "Malformed time", "%s is no time: write it like \"30m\" or \"1h30m\".", quoted(said.text))
	case d < least || d > most:
		f.complain(said.at, "Out of range", "%s is %s to %s.", name, least, most)
	}
	return d
}

// maxDuration is as good as never, and far from where times overflow.
const maxDuration = 366 * 24 * time.Hour

// Defaults of the pods block.
const (
	DefaultIdle  = 30 * time.Minute
	DefaultForks = 8
)

// Pods is what the files say of all pods of the host.
type Pods struct {
	Idle      time.Duration // a pod in which nothing goes on for this long is stopped
	Resolvers []string      // addresses that a pod's resolver asks; none: it knows the pod's own names alone
	Forks     int           // that a principal has at most
	Quota     uint64        // bytes that these may come to together, by their quotas; 0: not bounded
	Running   int           // how many of these run at a time; 0: not bounded
	Evict     bool          // one who has as many as allowed loses that which was unused for longest, and is not refused
}

// DefaultPods is what stands where the files say nothing.
func DefaultPods() Pods { return Pods{Idle: DefaultIdle, Forks: DefaultForks} }

// Pods says it.
func (p *Policy) Pods() Pods {
	pods := p.pods
	pods.Resolvers = slices.Clone(pods.Resolvers)
	return pods
}

func (l *loader) readPods() {
	l.policy.pods = DefaultPods()
	if block := l.only("pods"); block != nil {
		l.policy.pods = l.readPodsBlock(block)
	}
}

func (l *loader) readPodsBlock(block *hcl.Block) Pods {
	f := l.fields(block)
	pods := Pods{Idle: f.duration("idle", time.Second, DefaultIdle), Forks: DefaultForks}
	if f.has("forks_per_principal") {
		pods.Forks = int(f.number("forks_per_principal", 1, maxForks))
	}
	pods.Quota = f.size("quota_per_principal", minQuota)
	if f.has("pods_per_principal") {
		pods.Running = int(f.number("pods_per_principal", 1, maxForks))
	}
	pods.Evict = f.flag("evict")
	for _, item := range f.list("resolvers") {
		address, err := netip.ParseAddr(item.text)
		switch {
		case err != nil || address.Zone() != "" || address.Is4In6(): // link-local ones of IPv6 have a zone, which is a link's
			f.complain(item.at, "Malformed address", "%s is no address.", quoted(item.text))
		case address.IsLoopback() || address.IsUnspecified() || address.IsMulticast() || address.Is6() && address.IsLinkLocalUnicast():
			f.complain(item.at, "Unusable address", "%s is no resolver that a pod can reach: name the one behind it.", quoted(item.text))
		default:
			pods.Resolvers = append(pods.Resolvers, address.String())
		}
	}
	return pods
}

// maxForks is how many repositories and forks together a host has numbers for.
const maxForks = 4094
