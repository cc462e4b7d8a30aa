package fork

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"forkgate/tests/need"
)

// loop is a block device of a size, with what prepare has written into its file. It goes when the test's process does, in whatever way.
func loop(t *testing.T, size int64, prepare func(file string)) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	write(t, file, "")
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	prepare(file)
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer backing.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	for range 10 { // another process may take the one that was free
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Fatal(err)
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		if err := unix.IoctlLoopConfigure(int(device.Fd()), &config); err == nil {
			t.Cleanup(func() { device.Close() })
			return device.Name()
		}
		device.Close()
	}
	t.Fatal("no loop device is free")
	return ""
}

// put writes bytes at a place of a file.
func put(t *testing.T, file string, at int64, text []byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(text, at)
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
}

// physicalVolume is the label of LVM's, in the second sector: its sum is over what follows it.
func physicalVolume() []byte {
	label := make([]byte, 512)
	copy(label, "LABELONE")
	binary.LittleEndian.PutUint64(label[8:], 1)
	binary.LittleEndian.PutUint32(label[20:], 32)
	copy(label[24:], "LVM2 001")
	copy(label[32:], "0123456789abcdef0123456789abcdef")
	binary.LittleEndian.PutUint32(label[16:], ^crc32.Update(^uint32(0xf597a6cf), crc32.IEEETable, label[20:]))
	return label
}

// partitions is a table of one, as DOS has it.
func partitions() []byte {
	table := make([]byte, 512)
	table[446+4] = 0x83
	binary.LittleEndian.PutUint32(table[446+8:], 2048)
	binary.LittleEndian.PutUint32(table[446+12:], 4096)
	table[510], table[511] = 0x55, 0xaa
	return table
}

// What a pool would cost somebody is refused, and nothing of it is written over. Control: an empty device becomes a pool.
func TestPoolOnADevice(t *testing.T) {
	need.Root(t)
	need.Tools(t, "mkfs.btrfs", "mkfs.ext4", "mkswap", "wipefs", "mount", "umount")
	runs := func(argv ...string) func(string) {
		return func(file string) {
			if err := run(t.Context(), argv[0], append(argv[1:], file)...); err != nil {
				t.Fatal(err)
			}
		}
	}
	const disk = 256 << 20
	data := make([]byte, 1<<20)
	rand.Read(data)
	file := filepath.Join(t.TempDir(), "db.dat")
	write(t, file, string(data))
	if err := os.Truncate(file, disk); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ device, says string }{
		"a regular file":        {file, file + " is no block device"},
		"a directory":           {t.TempDir(), "is no block device"},
		"a character device":    {"/dev/zero", "/dev/zero is no block device"},
		"nothing":               {file + "-", "no such file"},
		"ext4":                  {loop(t, disk, runs("mkfs.ext4", "-q")), "there is ext4 on it"},
		"btrfs":                 {loop(t, disk, runs("mkfs.btrfs", "--quiet")), "there is btrfs on it"},
		"swap":                  {loop(t, disk, runs("mkswap")), "there is swap on it"},
		"a physical volume":     {loop(t, disk, func(file string) { put(t, file, 512, physicalVolume()) }), "there is LVM2_member on it"},
		"a table of partitions": {loop(t, disk, func(file string) { put(t, file, 0, partitions()) }), "there is dos on it"},
		"a small one":           {loop(t, 64<<20, func(string) {}), "64 MiB are too few"},
		"what is mounted":       {mounted(t, disk), "is in use"},
	} {
		before := head(c.device)
		_, _, err := InitPool(t.Context(), PoolOptions{Device: c.device})
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, c.says)
		}
		if !bytes.Equal(before, head(c.device)) {
			t.Errorf("%s: it is not what it was", name)
		}
	}
	empty := loop(t, disk, func(string) {})
	if what, _, err := InitPool(t.Context(), PoolOptions{Device: empty}); err != nil || what != empty || checkExisting(empty) != nil {
		t.Errorf("an empty device: %q, %v", what, err)
	}
}

// mounted is a device that is mounted.
func mounted(t *testing.T, size int64) string {
	t.Helper()
	device, at := loop(t, size, func(file string) {
		if err := run(t.Context(), "mkfs.ext4", "-q", file); err != nil {
			t.Fatal(err)
		}
	}), t.TempDir()
	if err := run(t.Context(), "mount", device, at); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, 0) })
	return device
}

// head is the beginning of a file, as far as it can be read. A read of /dev/zero ends where a signal comes, as those of the runtime do.
func head(name string) []byte {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	text := make([]byte, 2<<20)
	n, _ := io.ReadFull(f, text)
	return text[:n]
}
