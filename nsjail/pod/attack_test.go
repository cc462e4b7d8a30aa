package pod

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"forkgate/nsjail/idmap"
	"forkgate/tests/need"
)

// A session tries what its filter, its ids and its view are there to stop.
func TestSessionCannot(t *testing.T) {
	for name, start := range builds {
		t.Run(name, func(t *testing.T) { testSessionCannot(t, start) })
	}
}

func testSessionCannot(t *testing.T, start func(*testing.T) *testPod) {
	p := start(t)
	for what, command := range map[string]string{
		"make a user namespace":        "unshare -U true",
		"make a mount namespace":       "unshare -m true",
		"mount":                        "mount -t tmpfs x /tmp",
		"take a mount off":             "umount /proc/sys",
		"see through a mask":           "test -s /proc/keys || test -r /proc/kcore",
		"write to the tools":           "touch /bin/x",
		"write to a sysctl":            "echo x >/proc/sys/kernel/hostname",
		"press the magic key":          "echo h >/proc/sysrq-trigger",
		"write to sysfs":               "touch /sys/fs/cgroup/x || mkdir /sys/fs/cgroup/x",
		"read pid 1":                   "ls /proc/1/root || cat /proc/1/environ",
		"signal pid 1":                 "kill -KILL 1",
		"become root":                  "su -c true",
		"set the hostname":             "hostname x",
		"make a device":                "mknod /tmp/sda b 8 0",
		"use a device it got":          "head -c1 /dev/loop0",
		"find the parent's path":       "ls /var/lib/forkgate",
		"find the host's files":        "ls /root/.. | grep -q boot",
		"leave its cgroup":             "echo $$ >/sys/fs/cgroup/cgroup.procs",
		"change its core limit":        "ulimit -Sc 0; ! grep -Eq 'core file size +1 +1 ' /proc/self/limits",
		"chroot":                       "chroot /srv /bin/true",
		"see another session's socket": `ls -A /run | grep -vxEq 'empty|rediacc|docker.sock|secrets|ssh-agent' || ls -A /run/ssh-agent | grep -q .`,
	} {
		if out, exit := p.sh(t, "exec 2>&1; "+command); exit.Code == 0 && exit.Signal == "" {
			t.Errorf("a session can %s: %s\n%s", what, command, out)
		}
	}
}

// The pod's root, full capabilities over its own namespaces included, works on its mounts.
func TestRootInPodCannot(t *testing.T) {
	for name, start := range builds {
		t.Run(name, func(t *testing.T) { testRootInPodCannot(t, start) })
	}
}

func testRootInPodCannot(t *testing.T, start func(*testing.T) *testPod) {
	need.Tools(t, "nsenter")
	p := start(t)
	for _, init := range children(t, p.process.Process.Pid) {
		asRoot := func(command string) (string, error) {
			out, err := exec.Command("nsenter", "-t", fmt.Sprint(init), "-U", "-m", "-p", "-n", "-i", "-u",
				"/bin/sh", "-c", command).CombinedOutput()
			return string(out), err
		}
		if out, err := asRoot("id -u; mkdir /run/x; mount -t tmpfs x /run/x && umount /run/x"); err != nil || !strings.HasPrefix(out, "0\n") {
			t.Fatalf("control: the pod's root cannot mount anything at all: %v\n%s", err, out)
		}
		for what, command := range map[string]string{
			"take proc off and see the host's": "umount /proc || umount -l /proc",
			"take dev off":                     "umount -l /dev",
			"make the tools writable":          "mount -o remount,rw / && touch /bin/x",
			"allow setuid programs":            "mount -o remount,suid,bind /home && grep ' /home ' /proc/mounts | grep -vq nosuid",
			"allow devices":                    "mount -o remount,dev,bind /home && grep ' /home ' /proc/mounts | grep -vq nodev",
			"make a device that works":         "mknod /home/null c 1 3 && echo x >/home/null",
			"reach the pool from its part":     "ls /home/.. | grep -q rootfs || ls /srv/*/../../data",
			"write a sysctl of the host":       "echo x >/proc/sys/kernel/core_pattern",
			"load a module":                    "insmod /home/x.ko",
			"set the clock":                    "date -s 2001-01-01; test $(date +%Y) = 2001",
		} {
			if out, err := asRoot(command); err == nil {
				t.Errorf("the pod's root can %s: %s\n%s", what, command, out)
			}
		}
	}
}

// A fork comes with links where its directories should be. They lead nowhere.
func TestPlantedLinksAreNotFollowed(t *testing.T) {
	p := startPod(t)
	for _, plant := range []string{p.spec.Data, p.spec.Docker, p.spec.Home} {
		t.Run(filepath.Base(plant), func(t *testing.T) {
			must(t, os.Rename(plant, plant+".old"))
			must(t, os.Symlink("/etc", plant))
			if f, err := os.Open(plant); err != nil { // control: what a naive open gets is the host's /etc
				t.Fatal(err)
			} else {
				defer f.Close()
				if names, _ := f.Readdirnames(-1); len(names) < 10 {
					t.Fatal("control: the link does not lead to the host's /etc")
				}
			}
			spec := p.spec
			spec.GUID = "fedcba9876543210"
			_, err := (&builder{spec: spec}).clone(plant)
			if err == nil || !strings.Contains(err.Error(), "too many levels of symbolic links") {
				t.Errorf("a planted link was opened: %v", err)
			}
			must(t, os.Remove(plant))
			must(t, os.Rename(plant+".old", plant))
		})
	}
}

// Tools whose directories are links must not have the host mount anywhere else.
func TestHostileRootIsRefused(t *testing.T) {
	p := startPod(t)
	home := filepath.Join(p.spec.Root, "home")
	must(t, os.Rename(home, home+"2"))
	must(t, os.Symlink("/srv", home))
	must(t, p.process.Process.Kill())
	_ = p.process.Wait()
	emptyCgroup(t, p.cgroup)
	cmd := p.command(t)
	cmd.Stderr = nil
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "home: too many levels of symbolic links") {
		t.Errorf("a pod with a linked home: %v, %s", err, out)
	}
}

// A setuid program planted by a fork belongs to nobody on the host.
func TestSetuidIsWorthNothingOnTheHost(t *testing.T) {
	p := startPod(t)
	p.sh(t, "cp /bin/busybox ./sh && chmod 4755 ./sh")
	st, err := os.Stat(filepath.Join(p.spec.Data, "sh"))
	if err != nil || st.Mode()&os.ModeSetuid == 0 {
		t.Fatalf("control: the setuid bit is not there: %v, %v", st, err)
	}
	if owner := ownerOf(t, st); owner < idmap.Foreign {
		t.Errorf("the planted setuid program belongs to %d on the host", owner)
	}
}
