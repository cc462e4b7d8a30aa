package vm

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"forkgate/tests/need"
	"forkgate/tests/vm/order"
)

// VM is a running host. It ends with its test.
type VM struct {
	conn    net.Conn // to the agent
	in      *json.Decoder
	monitor *monitor
	console *os.File
	ended   <-chan error
	started time.Time
}

// Disk is a disk of the host, at /dev/disk/by-id/virtio-NAME.
type Disk struct {
	Name     string
	File     *os.File
	ReadOnly bool
}

// patience is how long booting, and one command, may take on a busy machine.
const patience = 15 * time.Minute

// Boot boots a host and waits until systemd calls it running. payload is a directory that lies at /opt/payload there.
func Boot(t testing.TB, payload string, disks ...Disk) *VM {
	t.Helper()
	image := need.VM(t)
	build(t, filepath.Join(payload, "agent"))
	disks = append(disks, Disk{"payload", pack(t, payload), true})
	v := &VM{console: Unnamed(t, 0), started: time.Now()}
	ours, theirs := pair(t)
	v.conn = ours
	v.in = json.NewDecoder(ours)
	monitors, monitored := pair(t)
	v.monitor = &monitor{conn: monitors, in: json.NewDecoder(monitors)}
	qemu := exec.Command("qemu-system-x86_64", arguments(image)...)
	qemu.Args = append(qemu.Args, "-chardev", "socket,id=agent,fd=3", "-chardev", "file,id=console,append=on,path=/dev/fd/4",
		"-chardev", "socket,id=monitor,fd=5", "-mon", "chardev=monitor,mode=control")
	qemu.Env = append(os.Environ(), "TMPDIR=/var/tmp") // for what is written to the image: /tmp may be memory
	qemu.ExtraFiles = []*os.File{theirs, v.console, monitored}
	for _, d := range disks {
		mode := "off"
		if d.ReadOnly {
			mode = "on"
		}
		qemu.Args = append(qemu.Args,
			"-drive", fmt.Sprintf("if=none,format=raw,cache=unsafe,id=%s,file=/dev/fd/%d,readonly=%s", d.Name, 3+len(qemu.ExtraFiles), mode),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=%s,serial=%[1]s", d.Name))
		qemu.ExtraFiles = append(qemu.ExtraFiles, d.File)
	}
	said := Unnamed(t, 0)
	qemu.Stdout, qemu.Stderr = said, said
	v.ended = start(qemu)
	theirs.Close()
	monitored.Close()
	t.Cleanup(func() { v.close(t, qemu, said) })
	v.monitor.order(t, "qmp_capabilities", nil)
	v.Must(t, "systemctl", "is-system-running", "--wait")
	return v
}

// arguments are the machine, and the image as its first disk, on which nothing is written: what would be goes into a file without a name.
func arguments(image string) []string {
	return []string{
		"-machine", "q35,accel=tcg", "-cpu", "max,la57=off,svm=off", "-smp", "2", "-m", "3G",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", filepath.Join(image, "kernel"), "-append", "root=/dev/nvme0n1 rw console=ttyS0 panic=-1 mitigations=off quiet",
		// The one kind of disk that the cloud kernel has built in: it boots without an initrd.
		"-drive", "if=none,format=raw,id=root,snapshot=on,file=" + filepath.Join(image, "root.ext4"), "-device", "nvme,drive=root,serial=root",
		"-device", "virtio-rng-pci", "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent",
		"-serial", "chardev:console",
	}
}

// Run runs a command in the host, as root. A command that ends with any exit code is a result.
func (v *VM) Run(t testing.TB, stdin string, argv ...string) order.Result {
	t.Helper()
	if err := v.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(v.conn).Encode(order.Command{Argv: argv, Stdin: []byte(stdin)}); err != nil {
		t.Fatalf("cannot tell the host to run %q: %v", argv, err)
	}
	var r order.Result
	if err := v.in.Decode(&r); err != nil {
		t.Fatalf("the host has not run %q: %v", argv, err)
	}
	return r
}

// Must runs a command that has to succeed, and returns what it wrote to its standard output, without the last newline.
func (v *VM) Must(t testing.TB, argv ...string) string {
	t.Helper()
	r := v.Run(t, "", argv...)
	if r.Code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", strings.Join(argv, " "), r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSuffix(string(r.Stdout), "\n")
}

// Up is for how long the host has been up, on this machine's clock.
func (v *VM) Up() time.Duration { return time.Since(v.started).Round(time.Second) }

// close ends the host, without grace: nothing of it is kept. It shows what it said when the test has failed.
func (v *VM) close(t testing.TB, qemu *exec.Cmd, said *os.File) {
	if t.Failed() {
		v.journal(t)
	}
	v.conn.Close()
	v.monitor.conn.Close()
	if qemu.Process != nil {
		_ = qemu.Process.Kill() // it may have ended by itself
	}
	err := <-v.ended
	if t.Failed() {
		t.Logf("qemu: %v\n%s\nthe console:\n%s", err, all(said), all(v.console))
	}
}

// journal shows the journal, where the agent still answers soon.
func (v *VM) journal(t testing.TB) {
	_ = v.conn.SetDeadline(time.Now().Add(time.Minute))
	var r order.Result
	err := json.NewEncoder(v.conn).Encode(order.Command{Argv: []string{"journalctl", "--boot", "--no-pager", "--lines=500"}})
	if err == nil {
		err = v.in.Decode(&r)
	}
	t.Logf("the journal (%v):\n%s", err, r.Stdout)
}

func all(f *os.File) []byte {
	info, err := f.Stat()
	if err != nil {
		return []byte(err.Error())
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size()))
	if err != nil {
		return []byte(err.Error())
	}
	return text
}
