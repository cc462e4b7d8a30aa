package chain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// Process is what /proc says of a process, proc(5).
type Process struct {
	PID, Parent int
	Start       uint64    // clock ticks after boot: with the pid it names a process for as long as the machine runs
	UIDs        [4]uint32 // real, effective, saved, file system
	Groups      []uint32  // supplementary
	GID         uint32    // effective
	Terminal    int       // the controlling terminal's device number, 0 for none
	Session     int
	Tracer      int
	Queue       uint64 // hard limit of RLIMIT_MSGQUEUE in bytes; see Marked
	Comm        string
	Exe         string // empty where there is none: a kernel thread, or a process whose first thread has ended
	Argv        []string
	Environ     []string // as it is now: the process can rewrite it
	Namespaces  Namespaces
}

// Namespaces are named as the links in /proc/PID/ns read.
type Namespaces struct{ PID, User, Mount string }

// maxFile is how much of a file of /proc is read, in bytes. The kernel lets arguments and environment be 6 MiB together.
const maxFile = 8 << 20

// Read reads one process. It may be another one by the end, so what it says counts only if Same holds afterwards. Of a process of root's
// that has more rights than the reader some things stay empty; such a one is nobody's login.
func Read(proc fs.FS, pid int) (Process, error) {
	p := Process{PID: pid}
	for _, part := range []func(fs.FS, *Process) error{readStat, readStatus, readLimits, readTexts, readLinks} {
		err := part(proc, &p)
		if errors.Is(err, fs.ErrPermission) && p.Groups != nil && p.UIDs == [4]uint32{} {
			continue
		}
		if err != nil {
			return Process{}, fmt.Errorf("cannot read process %d: %w", pid, err)
		}
	}
	return p, nil
}

// Same reports whether the process is still there, with the parent that it had.
func Same(proc fs.FS, p Process) bool {
	now := Process{PID: p.PID}
	return readStat(proc, &now) == nil && now.Start == p.Start && now.Parent == p.Parent
}

// readStat reads /proc/PID/stat. The name in it may hold anything, parentheses and newlines too.
func readStat(proc fs.FS, p *Process) error {
	b, err := readFile(proc, p.PID, "stat")
	if err != nil {
		return err
	}
	begin, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if begin < 0 || end < begin {
		return errors.New("its stat has no name")
	}
	if pid := strings.TrimSpace(string(b[:begin])); pid != strconv.Itoa(p.PID) {
		return fmt.Errorf("its stat is of process %.20q", pid)
	}
	fields := strings.Fields(string(b[end+1:])) // from field 3, the state
	if len(fields) < 20 {
		return errors.New("its stat is too short")
	}
	p.Comm = string(b[begin+1 : end])
	var wrong error
	number := func(field int) int {
		n, err := strconv.Atoi(fields[field-3])
		wrong = errors.Join(wrong, err)
		return n
	}
	p.Parent, p.Session, p.Terminal = number(4), number(6), number(7)
	start, err := strconv.ParseUint(fields[22-3], 10, 64)
	p.Start = start
	return errors.Join(wrong, err)
}

func readStatus(proc fs.FS, p *Process) error {
	b, err := readFile(proc, p.PID, "status")
	if err != nil {
		return err
	}
	found := map[string][]uint32{}
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		switch name {
		case "Uid", "Gid", "Groups", "TracerPid":
			if _, twice := found[name]; twice {
				return fmt.Errorf("its status has two lines %s", name)
			}
			if found[name], err = numbers(rest); err != nil {
				return err
			}
		}
	}
	if len(found["Uid"]) != 4 || len(found["Gid"]) != 4 || len(found["TracerPid"]) != 1 {
		return errors.New("its status lacks Uid, Gid or TracerPid")
	}
	if found["Groups"] == nil {
		found["Groups"] = []uint32{}
	}
	p.UIDs, p.GID, p.Groups, p.Tracer = [4]uint32(found["Uid"]), found["Gid"][1], found["Groups"], int(found["TracerPid"][0])
	return nil
}

func numbers(text string) ([]uint32, error) {
	list := []uint32{}
	for _, word := range strings.Fields(text) {
		n, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			return nil, err
		}
		list = append(list, uint32(n))
	}
	return list, nil
}

func readLimits(proc fs.FS, p *Process) error {
	b, err := readFile(proc, p.PID, "limits")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(line, "Max msgqueue size")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 {
			continue
		}
		if fields[1] == "unlimited" {
			p.Queue = math.MaxUint64
			return nil
		}
		p.Queue, err = strconv.ParseUint(fields[1], 10, 64)
		return err
	}
	return errors.New("its limits lack the size of message queues")
}

func readTexts(proc fs.FS, p *Process) (err error) {
	if p.Argv, err = readList(proc, p.PID, "cmdline"); err != nil {
		return err
	}
	p.Environ, err = readList(proc, p.PID, "environ")
	return err
}

// readList reads strings that each end in a NUL. A kernel thread, and a process that is ending, have none.
func readList(proc fs.FS, pid int, name string) ([]string, error) {
	b, err := readFile(proc, pid, name)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"), nil
}

func readLinks(proc fs.FS, p *Process) (err error) {
	for _, link := range []struct {
		name string
		into *string
	}{{"ns/pid", &p.Namespaces.PID}, {"ns/user", &p.Namespaces.User}, {"ns/mnt", &p.Namespaces.Mount}} {
		if *link.into, err = fs.ReadLink(proc, file(p.PID, link.name)); err != nil {
			return err
		}
	}
	p.Exe, err = fs.ReadLink(proc, file(p.PID, "exe"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func readFile(proc fs.FS, pid int, name string) ([]byte, error) {
	f, err := proc.Open(file(pid, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("its %s is longer than %d bytes", name, maxFile)
	}
	return b, err
}

func file(pid int, name string) string { return path.Join(strconv.Itoa(pid), name) }

// UID is the real user id.
func (p Process) UID() uint32 { return p.UIDs[0] }

// Program is the name of the executable, without its directory.
func (p Process) Program() string { return path.Base(p.executable()) }

// executable is the path of the executable, also where the file is gone.
func (p Process) executable() string { return strings.TrimSuffix(p.Exe, " (deleted)") }
