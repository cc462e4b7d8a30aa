package redteam

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	hosts "forkgate/tests/host"
	"forkgate/tests/machine"
)

// stage is a host with a repository in production, a fork of it whose agent attacks, and another agent's fork.
type stage struct {
	*hosts.Host
	vars  string // shell assignments that every script begins with
	fork  string // the attacker's
	tight string // one of the hog's
	lock  sync.Mutex
	guids map[string]string // of forks
}

const patience = 2 * time.Minute

// Who is who. Forks of the hog have narrow limits, and no way out. A fork's tag is its owner's name and a number.
const (
	person, attacker, bystander, hog = "alice", "mallory", "bob", "hog"
	neighbourFork                    = "calm"
)

func newStage(t *testing.T) *stage {
	s := &stage{Host: hosts.Start(t, hosts.Options{People: []string{person}, Agents: []string{attacker, bystander, hog}}), guids: map[string]string{}}
	s.furnish(t)
	s.fork, s.tight = s.newFork(t, attacker), s.newFork(t, hog)
	s.do(t, "", step{at: neighbour, script: "echo calm-only >secret; cat secret", prints: "calm-only"})
	// Written when both forks are there: whoever reads it has read production.
	s.do(t, "", step{at: production, script: "echo production-only >secret; cat secret", prints: "production-only"})
	s.people(t)
	s.vars = s.lookAround(t)
	return s
}

// newFork makes a fork.
func (s *stage) newFork(t *testing.T, owner string) string {
	t.Helper()
	f := s.claim(owner)
	r := s.result(t, f, step{at: session, script: "echo $GUID"})
	if r.Code != 0 {
		t.Fatalf("cannot make a fork: %s", r.Stderr)
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.guids[f] = strings.TrimSpace(r.Stdout)
	return f
}

// claim makes up a tag: who owns a fork shows in it.
func (s *stage) claim(owner string) string {
	s.lock.Lock()
	defer s.lock.Unlock()
	f := fmt.Sprintf("%s%d", owner, len(s.guids))
	s.guids[f] = ""
	return f
}

func owner(fork string) string { return strings.TrimRight(fork, "0123456789") }

func (s *stage) remove(t *testing.T, fork string) {
	t.Helper()
	s.do(t, fork, step{at: host, script: "forkgate show $REF >/dev/null 2>&1 || exit 0; forkgate rm $REF"})
}

// lookAround gives scripts what an attacker may have found out: GUIDs of others, and ids of subvolumes.
func (s *stage) lookAround(t *testing.T) string {
	t.Helper()
	return s.Must(t, "bash", "-ec", `
		of() { forkgate show --json $1 | sed -n 's/.*"'$2'": "\?\([^",]*\).*/\1/p'; }
		pool=/var/lib/forkgate/pool parent=$(of demo guid) other=$(of demo:`+neighbourFork+` guid) network=$(of demo:`+neighbourFork+` network_id)
		disk=$(findmnt -no SOURCE $pool); disk=${disk%%[*}; slot=$(((network - 2816) / 64)) own=$((($(of demo:`+s.fork+` network_id) - 2816) / 64))
		echo "POOL=$pool PARENT=$parent OTHER=$other OTHERNETWORK=$network DISK='$(stat -c '%Hr %Lr' $disk)'"
		echo "PARENTTREE=$(btrfs inspect-internal rootid $pool/repos/$parent/tree) OTHERTREE=$(btrfs inspect-internal rootid $pool/forks/$other/tree)"
		echo "WARDEN=$(systemctl show -P MainPID forkgate-warden) GATE=$(systemctl show -P MainPID forkgate-gate)"
		echo "UPLINK=`+uplinkAddress+` GATEWAY=10.214.$((own * 4 / 256)).$((own * 4 % 256 + 1)) NEIGHBOUR=10.214.$((slot * 4 / 256)).$((slot * 4 % 256 + 2))"
		printf 'GATEWAY6=`+pods6+`%x NEIGHBOUR6=`+pods6+`%x\n' $((own * 2)) $((slot * 2 + 1))`)
}

// prelude is what scripts can use. try runs a command and says, behind a word of its own, that it was done or by which error it was not.
const prelude = `PATH=/srv/$GUID/bin:$PATH
try() { what=$1; shift
  if out=$("$@" 2>&1); then echo "$what: done${out:+ $out}"; else
    code=$?; case $code in 127) echo "cannot try: $out";; *) echo "$what: ${out##*: }";; esac; fi; }
`

// heard waits, in a container that is about to die, until Docker has what it said.
func heard(word string) string {
	return "until grep -qs " + word + " /host/var/lib/docker/containers/*/*-json.log; do sleep 0.1; done; sleep 0.2"
}

// command is a script in a place.
func (s *stage) command(ctx context.Context, t *testing.T, fork string, st step) *exec.Cmd {
	t.Helper()
	ref := "demo:" + fork
	switch st.at {
	case session:
		return s.SSH(ctx, ref+"@"+owner(fork), s.vars+"\nGUID=${PWD#/srv/}\n"+prelude+st.script)
	case neighbour:
		return s.SSH(ctx, "demo:"+neighbourFork+"@"+bystander, s.vars+"\nGUID=${PWD#/srv/}\n"+prelude+st.script)
	case production:
		return s.SSH(ctx, "demo@"+person, s.vars+"\n"+st.script)
	case container:
		return s.SSH(ctx, ref+"@"+owner(fork), "exec docker run --rm -i --privileged --pid=host --net=host --ipc=host --uts=host --cgroupns=host -v /:/host -e GUID=${PWD#/srv/} -e NETWORK=$REDIACC_NETWORK_ID rt sh -c "+
			quote(s.vars+"\n"+prelude+st.script))
	case client:
		return s.Client(ctx, "bash", "-c", s.clients(ctx)+st.script)
	case host:
		// What it mounts, nobody else sees.
		return s.Command(ctx, "unshare", "--mount", "--propagation", "slave", "bash", "-c", s.vars+"\n"+s.onHost(fork)+prelude+st.script)
	case unfiltered:
		return s.Command(ctx, "bash", "-c", s.onHost(fork)+`
			exec nsenter -t $(pgrep -P $(systemctl show -P MainPID forkgate-pod@$GUID) -f '^init machine') -a -S 0 -G 0 bash -c "GUID=$GUID
				$0"`, s.vars+"\n"+prelude+st.script)
	}
	t.Fatalf("there is no place %q", st.at)
	return nil
}

// onHost has the host's scripts know the fork by its ref and its GUID.
func (s *stage) onHost(fork string) string {
	return "REF=demo:" + fork + " GUID=" + s.guids[fork] + "\n"
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// take takes a step. It is an error when that does not end as it says.
func (s *stage) take(t *testing.T, fork string, st step) error {
	t.Helper()
	r := s.result(t, fork, st)
	for try := 0; try < 3 && unstarted(st, r); try++ {
		time.Sleep(time.Second) // whoever was there before may not be gone yet
		r = s.result(t, fork, st)
	}
	if st.prints == "" && r.Code == 0 || st.prints != "" && st.matches(r) {
		return nil
	}
	return fmt.Errorf("%s: exit code %d\n%s\nprinted\n%s%s\nwant\n%s", st.at, r.Code, st.script, r.Stdout, r.Stderr, st.prints)
}

// unstarted reports whether Docker could not start the container (docker-run(1), exit code 125), so that nothing was attempted.
func unstarted(st step, r machine.Result) bool {
	return st.at == container && r.Code == 125 && strings.Contains(r.Stderr, "OCI runtime create failed")
}

// do takes a step that has to end as it says.
func (s *stage) do(t *testing.T, fork string, st step) {
	t.Helper()
	if err := s.take(t, fork, st); err != nil {
		t.Error(err)
	}
}

// control makes an attempt that has to succeed.
func (s *stage) control(t *testing.T, fork string, st step) bool {
	t.Helper()
	err := s.take(t, fork, st)
	if err != nil {
		t.Errorf("the control does not succeed, and so the row shows nothing: %v", err)
	}
	return err == nil
}

func (s *stage) result(t *testing.T, fork string, st step) machine.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return machine.RunCommand(t, s.command(ctx, t, fork, st))
}

func output(t *testing.T, c *exec.Cmd) []byte {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", c.Args, err, out, stderr.Bytes())
	}
	return out
}
