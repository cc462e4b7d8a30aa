package nsjail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"forkgate/nsjail/wire"
)

// RunDir is where pods have their sockets on a host.
const RunDir = "/run/forkgate"

// The user that sessions run as, in the pod's own ids.
const (
	UID       = 7111
	GID       = 7111
	DockerGID = 988
)

// Spec is what a pod is made from. The warden writes it, the pod's supervisor reads it.
type Spec struct {
	Version  int    `json:"version,omitempty"` // of wire.Specs; 0: the first. Write sets it
	GUID     string `json:"guid"`
	SubUID   uint32 `json:"sub_uid"` // first of the pod's 65,536 ids on the host
	Hostname string `json:"hostname"`
	// Directories on the host, each of them stored in the foreign range.
	Root   string `json:"root"` // the tools
	Data   string `json:"data"`
	Docker string `json:"docker"`
	Home   string `json:"home"`
	// Mountpoint is where data appears inside.
	Mountpoint string `json:"mountpoint"`
	// NetworkID is in the name of the pod's Docker socket.
	NetworkID int     `json:"network_id"`
	Network   Network `json:"network"`
	// Ahead has the pod built as far as it can be before there is a fork for it, and then wait to be taken: see Take. Hostname, Data,
	// Docker and Network come with the spec that is written then.
	Ahead bool `json:"ahead,omitempty"`
	// Autostart has the Docker daemon started with the pod, and not when somebody first needs it.
	Autostart bool `json:"autostart,omitempty"`
	// Secrets are files of a tmpfs at SecretsDir in both halves. No snapshot has them.
	Secrets []Secret `json:"secrets,omitempty"`
	// Scrub is what has to be done to the copy before anybody is in it, and before it has a network; nothing, where it is somebody's already.
	Scrub []wire.Scrub `json:"scrub,omitempty"`
}

// SecretsDir is where a pod has what the operator gives it.
const SecretsDir = "/run/secrets"

// Secret is one file there.
type Secret struct {
	Name string `json:"name"` // a file's, without slashes
	Text []byte `json:"text"`
}

// DockerSocket is where a pod with this network id has its Docker socket inside.
func DockerSocket(networkID int) string { return fmt.Sprintf("/run/rediacc/docker-%d.sock", networkID) }

// Network is what a pod may reach, and what reaches it. The zero Network is loopback alone.
type Network struct {
	Slot      int      `json:"slot"`                // names its link and its /30 on the host
	Egress    []string `json:"egress,omitempty"`    // "*", or CIDR[:PORT[/tcp|udp]], with [CIDR] for IPv6
	Names     []string `json:"names,omitempty"`     // NAME:PORT or *.DOMAIN:PORT, which take no link
	Publish   []string `json:"publish,omitempty"`   // HOSTPORT:PORT/tcp|udp; of grand repositories alone
	Resolvers []string `json:"resolvers,omitempty"` // addresses that the pod's own resolver may ask: see Asked
}

// Links reports whether the pod has a link to the host at all: one that may reach nothing has none.
func (n Network) Links() bool { return len(n.Egress) > 0 || len(n.Publish) > 0 }

// Asked are the resolvers that the pod's own asks: none where it may connect to nothing, as a question is a way out. Where it may reach names, and
// has no others, one answers for these alone.
func (n Network) Asked() []string {
	switch {
	case len(n.Egress) > 0 && len(n.Resolvers) > 0:
		return n.Resolvers
	case len(n.Names) > 0:
		return []string{NamesResolver}
	}
	return nil
}

// NamesResolver answers, inside a pod, for the names that it may reach.
var NamesResolver = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), NamesPort).String()

// NamesPort is where it does, and where connections to them are led.
const NamesPort = 60443

// Mountpoint is where the data of a pod appears inside. It carries the GUID, so that no two pods have it in common.
func Mountpoint(guid string) string { return "/srv/" + guid }

// Dir is the directory of one pod below runDir.
func Dir(runDir, guid string) string { return filepath.Join(runDir, "pods", guid) }

// ControlSocket is where a pod's session init listens.
func ControlSocket(runDir, guid string) string {
	return filepath.Join(Dir(runDir, guid), "control.sock")
}

// SpareSocket is where a pod that was built ahead waits to be taken.
func SpareSocket(runDir, guid string) string { return filepath.Join(Dir(runDir, guid), "spare.sock") }

// HostDockerSocket is the same socket on the host, where root alone gets to it.
func HostDockerSocket(runDir, guid string) string {
	return filepath.Join(Dir(runDir, guid), "docker.sock")
}

// Write makes the pod's directory, which root alone enters, and puts the spec there for the supervisor.
func (s Spec) Write(runDir string) error {
	dir := Dir(runDir, s.GUID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the directory of pod %s: %w", s.GUID, err)
	}
	if s.Version = 0; wire.Specs().Newest > 1 {
		s.Version = wire.Specs().Newest
	}
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("cannot encode the spec of pod %s: %w", s.GUID, err)
	}
	path := filepath.Join(dir, "spec.json")
	if err := errors.Join(removeFrom(dir, scrubbedFile), replace(path, data)); err != nil {
		return fmt.Errorf("cannot write the spec of pod %s: %w", s.GUID, err)
	}
	return nil
}

// ReadSpec reads what Write wrote.
func ReadSpec(runDir, guid string) (Spec, error) {
	data, err := os.ReadFile(filepath.Join(Dir(runDir, guid), "spec.json"))
	if err != nil {
		return Spec{}, fmt.Errorf("cannot read the spec of pod %s: %w", guid, err)
	}
	var s Spec
	if err := json.Unmarshal(data, &s); err != nil {
		return Spec{}, fmt.Errorf("cannot read the spec of pod %s: %w", guid, err)
	}
	if !wire.Specs().Knows(s.Version) { // what it does not know of could be what keeps somebody out
		return Spec{}, fmt.Errorf("cannot use the spec of pod %s: %w", guid, wire.Specs().Foreign(fmt.Sprint(s.Version)))
	}
	if s.GUID != guid {
		return Spec{}, fmt.Errorf("cannot use the spec of pod %s: it is for %q", guid, s.GUID)
	}
	return s, nil
}

// Written lists the GUIDs of pods that have a directory, whether they run or not.
func Written(runDir string) (guids []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(Dir(runDir, "guid")))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot list the specs of pods: %w", err)
	}
	for _, entry := range entries {
		guids = append(guids, entry.Name())
	}
	return guids, nil
}

// scrubbedFile is where a pod's supervisor says what came of Scrub.
const scrubbedFile = "scrubbed.json"

// WriteScrubbed says what came of a pod's scrubbing.
func WriteScrubbed(runDir, guid string, done wire.Scrubbed) error {
	data, err := json.Marshal(done)
	if err != nil {
		return fmt.Errorf("cannot encode how pod %s was scrubbed: %w", guid, err)
	}
	path := filepath.Join(Dir(runDir, guid), scrubbedFile)
	if err := replace(path, data); err != nil {
		return fmt.Errorf("cannot write how pod %s was scrubbed: %w", guid, err)
	}
	return nil
}

// ReadScrubbed reads what came of it, in the pod's words. Where nothing is there, the pod did not come as far.
func ReadScrubbed(runDir, guid string) (done wire.Scrubbed, err error) {
	data, err := os.ReadFile(filepath.Join(Dir(runDir, guid), scrubbedFile))
	if err == nil {
		err = json.Unmarshal(data, &done)
	}
	if err != nil {
		return wire.Scrubbed{}, fmt.Errorf("cannot read how pod %s was scrubbed: %w", guid, err)
	}
	return done, nil
}

// ForgetScrubbed removes that word.
func ForgetScrubbed(runDir, guid string) error {
	return os.Remove(filepath.Join(Dir(runDir, guid), scrubbedFile))
}

// replace writes a file whole, or leaves it as it was.
func replace(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Clean removes what a pod that has ended left in its directory. The spec stays: it is the warden's, who may just have written it for
// the next start. It is not an error when there is nothing.
func Clean(runDir, guid string) error {
	return removeFrom(Dir(runDir, guid), "control.sock", "control.sock.new", "spare.sock", "docker.sock", "root")
}

// Remove removes a pod's directory. The pod has ended, and none is started for this GUID any more.
func Remove(runDir, guid string) error {
	return errors.Join(Clean(runDir, guid), removeFrom(Dir(runDir, guid), scrubbedFile+".new", scrubbedFile, "spec.json.new", "spec.json", ""))
}

func removeFrom(dir string, names ...string) error {
	var errs []error
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
