package host_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"forkgate/tests/host"
	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// The life of the package, as an admin leads it: installed, set up, upgraded while somebody works, with a policy that does not load as well, removed,
// installed again, purged.
func TestPackage(t *testing.T) {
	t.Parallel()
	debs := t.TempDir()
	one, attest := host.Debs(t, runtime.GOARCH, "v0.1.0", debs)
	two, attestTwo := host.Debs(t, runtime.GOARCH, "v0.2.0", debs)
	h := host.Start(t, host.Options{Bare: true, Package: one})
	p := &packaged{h, t}
	p.add(two, attest, attestTwo)

	p.shows("forkgate version", "forkgate v0.1.0")
	p.shows("getent passwd rediacc | cut -d: -f3; id -un forkgate; ls /usr/share/man/man1/forkgate.1.gz", "7111\nforkgate\n/usr/share/man/man1/forkgate.1.gz")
	p.shows("ss -Htln 'sport = :2222'; systemctl is-enabled forkgate.target || :", "disabled") // nothing runs that nobody has set up

	p.setUp()
	p.ports()
	p.shows("dpkg --verify forkgate", "")
	p.upgraded(two)
	p.changedByBoth(two)
	p.refusedUpgrade(two)
	p.removed()
	h.Must(t, "dpkg", "--install", filepath.Join(h.Built, filepath.Base(two)))
	p.setUpAgain()
	p.agent("shop+try", "cat kept", "kept\n")
	p.purged(two)
	p.workstation(attest, attestTwo)
}

type packaged struct {
	*host.Host
	t *testing.T
}

// add puts packages where the machine sees them.
func (p *packaged) add(debs ...string) {
	p.t.Helper()
	if out, err := exec.Command("cp", append(debs, p.Built)...).CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
}

func (p *packaged) shows(command, want string) {
	p.t.Helper()
	if got := p.Must(p.t, "sh", "-c", command); got != want {
		p.t.Errorf("%s shows\n%s\nwant\n%s", command, got, want)
	}
}

// agent runs a command as an agent.
func (p *packaged) agent(at, command, want string) {
	p.t.Helper()
	c := p.SSH(p.t.Context(), at+"@alice", command)
	c.Env = append(c.Env, "CLAUDECODE=1")
	if r := machine.RunCommand(p.t, c); r.Stdout != want || r.Code != 0 {
		p.t.Errorf("%s at %s: exit code %d, %q, want %q\n%s", command, at, r.Code, r.Stdout, want, r.Stderr)
	}
}

// typed answers all that setup asks, at a terminal: by an empty line where what is proposed will do, and now and then by what is no answer.
const typed = `set timeout 240; spawn forkgate setup
proc answer {question word} { expect timeout { exit 9 } eof { exit 8 } $question { send "$word\r" } }
answer "an empty disk for" /srv/shop/data; expect "no block device"; answer "an empty disk for" ""; answer {20G\]} 20; expect "is no size"; answer {20G\]} ""; answer "known by the keys of this host's sshd" ""; answer "your name" alice; answer "your public keys" ""
answer "no AI agent" maybe; answer "no AI agent" yes; answer "a tar file with a Debian" /nowhere; expect "no such file"; answer "a tar file with a Debian" $env(ROOTFS); answer "the first repository" /srv/shop; answer {its name \[shop} ""
answer "have port 22" ""; answer "the other ways onto this host" no; expect eof; exit [lindex [wait] 3]`

// left is who presses ^C at a question.
const left = `set timeout 60; spawn forkgate setup
expect timeout { exit 9 } "an empty disk for"; send "\003"; expect timeout { exit 8 } "interrupted: the pool: nothing was done"; expect eof; exit [lindex [wait] 3]`

// setUp has forkgate setup do all of it, with the key by which root is known to sshd.
func (p *packaged) setUp() {
	t := p.t
	t.Helper()
	p.Must(t, "sh", "-ec", "ssh-keygen -A; mkdir -p /root/.ssh /srv/shop; echo \"$0\" >/root/.ssh/authorized_keys; echo production >/srv/shop/data", p.MakeKey(t, "alice"))
	rootfs := filepath.Join(p.Dir, "rootfs.tar")
	if out, err := exec.Command("cp", "--reflink=auto", need.Rootfs(t), rootfs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r := p.Run(t.Context(), t, "expect", "-c", left); r.Code != 1 {
		t.Errorf("setup, and ^C: %+v", r)
	}
	if said := p.Must(t, "env", "ROOTFS="+rootfs, "expect", "-c", typed); !strings.Contains(said, "+ forkgate repo create shop --from /srv/shop") {
		t.Errorf("setup says\n%s", said)
	}
	if err := os.Remove(rootfs); err != nil {
		t.Fatal(err)
	}
	again := p.Must(t, "sh", "-c", "forkgate setup --yes --principal alice --rootfs /nowhere 2>&1 </dev/null")
	if strings.Contains(again, "\n+ ") || strings.Count(again, ": ") < 5 {
		t.Errorf("said again, setup says\n%s", again)
	}
	p.Configure(t, "alice")
	if r := machine.RunCommand(t, p.SSH(t.Context(), "shop@alice", "cat data")); r.Stdout != "production\n" {
		t.Errorf("a person in production: %+v", r)
	}
	refused := p.SSH(t.Context(), "shop@alice", "cat data")
	refused.Env = append(refused.Env, "CLAUDECODE=1")
	if r := machine.RunCommand(t, refused); r.Code != 254 || r.Stdout != "" || !strings.Contains(r.Stderr, "agents work in forks") {
		t.Errorf("an agent in production: %+v", r)
	}
	p.agent("shop+try", "cat data; echo kept >kept", "production\n")
}

// setUpAgain is setup where all is there and nothing runs, by the line that made it: only the services are started.
func (p *packaged) setUpAgain() {
	t := p.t
	t.Helper()
	p.Must(t, "systemctl", "disable", "--now", "forkgate.target")
	r := p.Run(t.Context(), t, "sh", "-c", "forkgate setup --yes --principal alice --rootfs /nowhere --from /srv/shop --repo shop 2>&1 </dev/null | grep '^+ '")
	if want := "+ forkgate policy check\n+ systemctl enable --now forkgate.target\n"; r.Stdout != want {
		t.Errorf("setup runs\n%s", r.Stdout)
	}
	// Nobody waits for the login of who is no principal.
	r = p.Run(t.Context(), t, "sh", "-c", "timeout 60 forkgate setup --yes --port-22 --principal nobody 2>&1 </dev/null")
	if r.Code != 1 || !strings.Contains(r.Stdout, `"nobody" is no principal, but alice`) {
		t.Errorf("setup --port-22 for nobody: %+v", r)
	}
}

// upgraded puts another version in place, of which whoever works hears nothing.
func (p *packaged) upgraded(deb string) {
	t := p.t
	t.Helper()
	p.Must(t, "sh", "-c", "echo '# mine' >>/etc/forkgate/policy.d/baseline.hcl")
	before, gate := p.Must(t, "systemctl", "show", "-P", "MainPID", "forkgate-warden"), p.Must(t, "systemctl", "show", "-P", "MainPID", "forkgate-gate")
	c := p.SSH(t.Context(), "shop+try@alice", "read first; echo got $first; read second; echo got $second")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	tell := func(word string) {
		t.Helper()
		if _, err := in.Write([]byte(word + "\n")); err != nil {
			t.Fatal(err)
		}
		if line, err := lines.ReadString('\n'); err != nil || line != "got "+word+"\n" {
			t.Fatalf("the session says %q, %v", line, err)
		}
	}
	tell("before")
	t.Log(p.Must(t, "sh", "-ec", "dpkg --install $0 2>&1 </dev/null", filepath.Join(p.Built, filepath.Base(deb))))
	p.agent("shop+try", "cat kept", "kept\n")
	p.shows("pgrep -fcx '/usr/bin/forkgate gate'", "2") // the old one has this session, the new one who comes
	tell("after")
	if err := c.Wait(); err != nil {
		t.Errorf("a session across an upgrade: %v", err)
	}
	p.shows("forkgate version; tail -n 1 /etc/forkgate/policy.d/baseline.hcl", "forkgate v0.2.0\n# mine")
	if after := p.Must(t, "systemctl", "show", "-P", "MainPID", "forkgate-warden"); after == before {
		t.Error("the warden is the old one")
	}
	if after := p.Must(t, "systemctl", "show", "-P", "MainPID", "forkgate-gate"); after == gate {
		t.Error("the gate is the old one")
	}
	p.shows("forkgate status --json | grep -o v0.2.0", "v0.2.0")
}

// changedByBoth is a file that the operator has changed, and a newer package as well: his stays, where he has told dpkg so or is there to be asked.
func (p *packaged) changedByBoth(deb string) {
	t := p.t
	t.Helper()
	p.Must(t, "bash", "-ec", `cd $(mktemp -d); dpkg-deb --raw-extract $0 tree; echo '# theirs' >>tree/etc/forkgate/policy.d/baseline.hcl
		sed -i 's/^Version: .*/Version: 0.3.0/' tree/DEBIAN/control; dpkg-deb --build tree next.deb >/dev/null
		! dpkg --install next.deb </dev/null || { echo 'nobody was asked'; exit 1; }
		dpkg --configure --force-confold forkgate </dev/null`, filepath.Join(p.Built, filepath.Base(deb)))
	p.shows("tail -qn 1 /etc/forkgate/policy.d/baseline.hcl /etc/forkgate/policy.d/baseline.hcl.dpkg-*; forkgate policy check >/dev/null && echo loads", "# mine\n# theirs\nloads")
	p.agent("shop+try", "cat kept", "kept\n")
	p.Must(t, "sh", "-ec", "rm /etc/forkgate/policy.d/baseline.hcl.dpkg-*; dpkg --install --force-downgrade --force-confold $0 2>&1 </dev/null", filepath.Join(p.Built, filepath.Base(deb)))
}

// refusedUpgrade is one that finds a policy that it does not load: a new warden would open no door.
func (p *packaged) refusedUpgrade(deb string) {
	t := p.t
	t.Helper()
	before := p.Must(t, "systemctl", "show", "-P", "MainPID", "forkgate-warden")
	p.Must(t, "sh", "-c", "echo 'permit {' >/etc/forkgate/policy.d/broken.hcl")
	said := p.Must(t, "sh", "-ec", "dpkg --install $0 2>&1 </dev/null", filepath.Join(p.Built, filepath.Base(deb)))
	if after := p.Must(t, "systemctl", "show", "-P", "MainPID", "forkgate-warden"); after != before || !strings.Contains(said, "broken.hcl") || !strings.Contains(said, "the old one goes on") {
		t.Errorf("the warden is process %s, and was %s; dpkg says\n%s", after, before, said)
	}
	p.agent("shop+try", "cat kept", "kept\n")
	// Control: a warden that starts with such a policy lets nobody in.
	p.Must(t, "systemctl", "restart", "forkgate-warden")
	c := p.SSH(t.Context(), "shop+try@alice", "cat kept")
	if r := machine.RunCommand(t, c); r.Code == 0 || r.Stdout != "" {
		t.Errorf("a warden without a policy lets somebody in: %+v", r)
	}
	p.Must(t, "sh", "-ec", "rm /etc/forkgate/policy.d/broken.hcl; systemctl reload forkgate-warden")
}

// removed leaves what is production, and nothing that runs.
func (p *packaged) removed() {
	t := p.t
	t.Helper()
	p.Must(t, "sh", "-ec", "mkdir -p /var/lib/forkgate/doors && echo '{\"changes\": [{\"way\": \"sshd\"}]}' >/var/lib/forkgate/doors/ledger.json")
	if r := p.Run(t.Context(), t, "dpkg", "--remove", "forkgate"); r.Code == 0 || !strings.Contains(r.Stderr, "forkgate doors --undo") {
		t.Errorf("removed while other doors are closed: %+v", r)
	}
	p.agent("shop+try", "cat kept", "kept\n")
	p.Must(t, "rm", "-r", "/var/lib/forkgate/doors")
	p.Must(t, "dpkg", "--remove", "forkgate")
	p.shows("ss -Htln 'sport = :2222'; pgrep -f '[f]orkgate (warden|gate|net|egress)|[f]orkgate-pod'; nft list tables | grep forkgate; systemctl --failed --no-legend 'forkgate*'; systemctl list-units --no-legend --state=active,failed 'forkgate*.service' || :", "")
	p.shows("ls /var/lib/forkgate/pool/repos | wc -l; tail -n 1 /etc/forkgate/policy.d/baseline.hcl; mountpoint -q /var/lib/forkgate/pool && echo mounted", "1\n# mine\nmounted")
}

// purged leaves repositories to whoever has not typed the words.
func (p *packaged) purged(deb string) {
	t := p.t
	t.Helper()
	said := p.Must(t, "sh", "-ec", "DEBIAN_FRONTEND=noninteractive dpkg --purge forkgate 2>&1 </dev/null")
	if !strings.Contains(said, "is left as it is, with the repositories") {
		t.Errorf("dpkg says\n%s", said)
	}
	p.shows("ls /var/lib/forkgate/pool/repos | wc -l; ls /etc/forkgate 2>&1 || :", "1\nls: cannot access '/etc/forkgate': No such file or directory")
	for _, typed := range []string{"yes", "i-understand-this-deletes-production"} {
		p.Must(t, "dpkg", "--install", filepath.Join(p.Built, filepath.Base(deb)))
		t.Log(p.Must(t, "expect", "-c", `set timeout 60; spawn env TERM=dumb DEBIAN_FRONTEND=readline dpkg --purge forkgate
			expect "1 repository: " {} timeout {exit 9}; expect "Delete production as well?"; expect -re {production *$}; send "`+typed+`\r"; expect eof; exit [lindex [wait] 3]`))
		if typed == "yes" {
			p.shows("ls /var/lib/forkgate/pool/repos | wc -l", "1")
		}
	}
	p.shows("ls /var/lib/forkgate 2>&1; mount | grep /var/lib/forkgate; dpkg -l forkgate 2>/dev/null | grep ^.[^n] || :", "ls: cannot access '/var/lib/forkgate': No such file or directory")
}

// workstation leads the other package's life: what tells people from agents goes on when its program is replaced, and is known by the same key until a purge.
func (p *packaged) workstation(one, two string) {
	t := p.t
	t.Helper()
	deb := func(name string) string { return filepath.Join(p.Built, filepath.Base(name)) }
	const pid = "systemctl show -P MainPID forkgate-attest; sha256sum /etc/forkgate-attest/attest_key"
	p.Must(t, "sh", "-ec", `dpkg --install $0; useradd --uid 7001 ann; forkgate-attest init --principal 7001=ann
		printf 'events = "optional"\ngate "production" {\n  patterns   = ["gate.example.org"]\n  host_keys  = ["%s"]\n  principals = { "7001" = "ann" }\n}\n' \
			"$(cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub)" >/etc/forkgate-attest/attest.hcl; forkgate-attest check; systemctl enable --now forkgate-attest.socket forkgate-attest.service`, deb(one))
	before := p.Must(t, "sh", "-c", pid)
	p.shows("forkgate-attest --version; setpriv --reuid=7001 --clear-groups forkgate-attest whoami | grep -o unverified", "forkgate-attest version v0.1.0\nunverified")
	if said := p.Must(t, "dpkg", "--install", deb(two)); !strings.Contains(said, "the old daemon goes on") {
		t.Errorf("dpkg says\n%s", said)
	}
	p.shows("forkgate-attest --version; "+pid, "forkgate-attest version v0.2.0\n"+before)
	p.Must(t, "dpkg", "--remove", "forkgate-attest")
	p.shows("systemctl is-active forkgate-attest.socket forkgate-attest.service; ls /etc/forkgate-attest/attest_key; ls /usr/bin/forkgate-attest 2>&1 || :",
		"inactive\ninactive\n/etc/forkgate-attest/attest_key\nls: cannot access '/usr/bin/forkgate-attest': No such file or directory")
	p.Must(t, "dpkg", "--purge", "forkgate-attest")
	p.shows("ls -d /etc/forkgate-attest 2>&1 || :", "ls: cannot access '/etc/forkgate-attest': No such file or directory")
}
