package host_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"forkgate/tests/machine"
	"forkgate/tests/need"
)

// ports has the gate take sshd's port, as forkgate setup does it once it has seen somebody come in, and take it back: who knows the host by its sshd's key
// comes in by that all the time, and who is on the host stays.
func (p *packaged) ports() {
	t := p.t
	t.Helper()
	p.Must(t, "sh", "-ec", `printf '[Service]\nExecStart=/usr/sbin/sshd -D\nExecReload=/bin/kill -HUP $MAINPID\nKillMode=process\nRuntimeDirectory=sshd\nRuntimeDirectoryPreserve=yes\n' >/etc/systemd/system/ssh.service
		systemctl daemon-reload; systemctl start ssh`)
	key := p.Must(t, "sh", "-c", "cut -d' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub")
	write := func(port string) {
		t.Helper()
		name := "127.0.0.1"
		if port != "22" {
			name = "[127.0.0.1]:" + port
		}
		text := fmt.Sprintf("%s %s\n", name, key)
		if err := os.WriteFile(filepath.Join(p.Dir, "sshd_hosts"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(port, who string, command ...string) machine.Result {
		t.Helper()
		write(port)
		return machine.RunCommand(t, p.Client(t.Context(), append([]string{"ssh", "-F", "none", "-p", port, "-i", filepath.Join(p.Dir, "alice"), "-o", "IdentitiesOnly=yes",
			"-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + filepath.Join(p.Dir, "sshd_hosts"), who + "@127.0.0.1"}, command...)...))
	}
	need.Eventually(t, "control: sshd's port leads to the host", func() bool { return at("22", "root", "id -u").Stdout == "0\n" })
	p.talks("--port-22",
		turn{"logs in through the gate", func() {
			if r := at("2222", "gate", "whoami"); r.Code != 0 {
				t.Errorf("the gate beside sshd: %+v", r)
			}
		}},
		turn{"logs in there", func() {
			if r := at("22", "gate", "whoami"); r.Code != 0 || !strings.Contains(r.Stdout, "alice") {
				t.Errorf("port 22 is the gate's, by sshd's key: %+v", r)
			}
		}})
	if r := at("22", "root", "id -u"); r.Code == 0 {
		t.Errorf("port 22 leads to the host still: %+v", r)
	}
	if r := at("2222", "root", "id -u"); r.Stdout != "0\n" {
		t.Errorf("sshd on the host itself: %+v", r)
	}
	p.shows("ss -Htln 'sport = :2222' | awk '{print $4}'; systemctl is-active forkgate-doors-rollback.timer || :", "127.0.0.1:2222\ninactive")
	p.others(func() machine.Result { return at("2222", "root", "id -u") })
	if said := p.Must(t, "forkgate", "doors", "--undo"); !strings.Contains(said, "sshd has port 22 again, and the gate port 2222") {
		t.Errorf("--undo says\n%s", said)
	}
	need.Eventually(t, "sshd is at its port again", func() bool { return at("22", "root", "id -u").Stdout == "0\n" })
	need.Eventually(t, "the gate is at its port", func() bool { return at("2222", "gate", "whoami").Code == 0 })
	p.Must(t, "sh", "-c", "systemctl stop ssh; rm /etc/systemd/system/ssh.service; systemctl daemon-reload")
}

// turn is what somebody does elsewhere when setup has said something.
type turn struct {
	words string
	do    func()
}

// talks has forkgate setup do what it waits with for somebody.
func (p *packaged) talks(flag string, turns ...turn) {
	t := p.t
	t.Helper()
	setup := p.Command(t.Context(), "sh", "-c", "exec forkgate setup --yes --principal alice $0 2>&1", flag)
	out, err := setup.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := setup.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if len(turns) > 0 && strings.Contains(lines.Text(), turns[0].words) {
			turns[0].do()
			turns = turns[1:]
		}
	}
	_ = setup.Wait() // its exit code is doctor's, which may find this host wanting
	if strings.Contains(said.String(), "not finished") || len(turns) > 0 {
		t.Errorf("setup %s says\n%s", flag, &said)
	}
}

// others has setup close the other doors: root is let in by sshd before, and by the console alone afterwards, which is how it is confirmed.
func (p *packaged) others(bySSHD func() machine.Result) {
	p.t.Helper()
	p.Must(p.t, "sh", "-ec", `useradd --create-home --shell /bin/bash --password '*' ada; mkdir /home/ada/.ssh; cp /root/.ssh/authorized_keys /home/ada/.ssh/; chown -R ada: /home/ada
		usermod -aG forkgate-admin ada; echo root:secret | chpasswd`)
	p.talks("--doors", turn{"waiting until you confirm it", func() {
		p.Must(p.t, "expect", "-c", `set timeout 20; spawn login root; expect Password: { send secret\r }; expect -re {[#] $} { send "forkgate doors --confirm; exit\r" }; expect eof; exit [lindex [wait] 3]`)
	}})
	if r := bySSHD(); r.Code == 0 {
		p.t.Errorf("sshd lets root in still: %+v", r)
	}
	p.shows("forkgate setup --yes 2>&1 </dev/null | grep '^the other doors'; systemctl is-active forkgate-doors-rollback.timer || :", "the other doors: closed; forkgate doors lists what is open all the same\ninactive")
}
