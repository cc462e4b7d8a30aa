package doors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

// onVsock has a process of a service's hear a port of vsock.
func onVsock(port uint32, pid, service string) func(*fake) {
	return func(f *fake) {
		f.vsock = append(f.vsock, vsocket{cid: unix.VMADDR_CID_ANY, port: port, inode: "7"})
		f.files["proc/"+pid+"/fd/0"] = &fstest.MapFile{Data: []byte("socket:[7]"), Mode: fs.ModeSymlink}
		f.files["proc/"+pid+"/exe"] = &fstest.MapFile{Data: []byte("/usr/bin/socat"), Mode: fs.ModeSymlink}
		f.write("proc/"+pid+"/cgroup", "0::/system.slice/"+service+"\n")
	}
}

// Of vsock too counts what somebody outside reaches, and a kernel that has none is not asked, as that would load it.
func TestWhatListensOnVsock(t *testing.T) {
	for what, c := range map[string]struct {
		protocols string
		cid       uint32
		want      bool
	}{
		"any address":       {"AF_VSOCK  1240\n", unix.VMADDR_CID_ANY, true},
		"nobody knows":      {"", 3, true},
		"the host alone":    {"AF_VSOCK  1240\n", unix.VMADDR_CID_LOCAL, false},
		"there is no vsock": {"TCPv6  2432\n", 3, false},
	} {
		f := shut()
		onVsock(777, "77", "shell.service")(f)
		f.vsock[0].cid = c.cid
		if c.protocols != "" {
			f.write("proc/net/protocols", c.protocols)
		}
		rows := Examine(t.Context(), f.host())
		if got := slices.ContainsFunc(rows, func(r Row) bool { return r.Way == "listener 777/vsock" && r.State == Open }); got != c.want {
			t.Errorf("%s: it is there: %t", what, got)
		}
	}
}

// The socket that systemd makes for sshd is sshd's, as long as nothing of it is this host's own. Another socket of systemd's is a unit like others.
func TestSSHDOnVsock(t *testing.T) {
	const own = "listener 22/vsock"
	for what, c := range map[string]struct {
		listen string
		opens  func(*fake)
		want   string // in what to do; empty: it has no row
	}{
		"systemd's": {"Id=x.socket\nListen=[::]:22 (Stream)\n\nId=sshd-vsock.socket\nListen=vsock::22 (Stream)\n", write("run/systemd/generator/sshd-vsock.socket", ""), ""},
		"a drop-in": {"Id=sshd-vsock.socket\nListen=vsock::22 (Stream)\n", func(f *fake) {
			write("run/systemd/generator/sshd-vsock.socket", "")(f)
			write("etc/systemd/system/sshd-vsock@.service.d/x.conf", "")(f)
		}, "--close '" + own},
		"one's own":   {"Id=sshd-vsock.socket\nListen=vsock::22 (Stream)\n", write("etc/systemd/system/sshd-vsock.socket", ""), "--close '" + own},
		"another one": {"Id=x.socket\nListen=[::]:22 (Stream)\n\nId=y.socket\nListen=vsock:3:22 (SequentialPacket)\n", write("x", ""), "--close '" + own},
	} {
		f := shut()
		f.programs["systemctl show "+properties+" -- *.socket"] = c.listen
		onVsock(22, "1", "init.scope")(f)
		c.opens(f)
		do := ""
		for _, r := range Examine(t.Context(), f.host()) {
			if r.Way == own {
				do = r.Do
			}
		}
		if (do == "") != (c.want == "") || !strings.Contains(do, c.want) {
			t.Errorf("%s: to do is %q", what, do)
		}
	}
}

func TestWhatTheKernelSaysOfVsock(t *testing.T) {
	message := func(state byte, cid, port, inode uint32) []byte {
		m := make([]byte, messageSize)
		m[0], m[1], m[2] = unix.AF_VSOCK, unix.SOCK_STREAM, state
		for at, word := range map[int]uint32{4: cid, 8: port, 20: inode} {
			binary.NativeEndian.PutUint32(m[at:], word)
		}
		return m
	}
	got, err := vsocketsOf([][]byte{message(listens, 3, 777, 42), message(1, 3, 778, 43)})
	if want := (vsocket{3, 777, "42"}); err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := vsocketsOf([][]byte{message(listens, 3, 777, 42)[:20]}); err == nil {
		t.Error("half a message is understood")
	}
}

// A socket of this process is found with its port when it listens, and not before. A kernel that has no vsock at all says so.
func TestVsocketsAreSeen(t *testing.T) {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		if all, err := vsockets(); err != nil || len(all) > 0 {
			t.Errorf("there is no vsock here: %v, %v", all, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: unix.VMADDR_PORT_ANY}); err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		t.Fatal(err)
	}
	seen := func() int {
		all, err := vsockets()
		if err != nil {
			t.Fatal(err)
		}
		return slices.IndexFunc(all, func(one vsocket) bool {
			return one.inode == fmt.Sprint(stat.Ino) && one.cid == unix.VMADDR_CID_ANY && one.port != 0
		})
	}
	if seen() >= 0 {
		t.Error("control: it does not listen yet")
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	if seen() < 0 {
		t.Error("it is not seen")
	}
}
