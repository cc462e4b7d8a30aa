package warden

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"forkgate/fork"
	"forkgate/gate"
	"forkgate/nsjail"
	"forkgate/nsjail/wire"
)

// A Rediaccfile lies at the top of a tree's data, in whatever case its name is written: a bash file whose functions are called as its tree's life
// goes on. They run as a session does, by the same user, and in a sandbox of their own.
const hookFile = "rediaccfile"

// hook is one of the functions.
type hook struct {
	name    string
	time    time.Duration // that it may take
	missing int           // what a call comes to where the file does not have it
}

var (
	hookUp   = hook{name: "up", time: 5 * time.Minute}
	hookDown = hook{name: "down", time: 30 * time.Second}
	// Those that somebody asks for, and waits. bash takes 126 and up for itself.
	hookInfo   = hook{name: "info", time: 30 * time.Second, missing: 97}
	hookHealth = hook{name: "health", time: 30 * time.Second, missing: 97}
)

// late says that a function has taken as long as it may.
type late time.Duration

func (l late) Error() string { return "it takes longer than " + gate.Span(time.Duration(l)) }

// hookHome is whose home the functions have: nobody's who comes by a door.
const hookHome = "rediaccfile.hook"

// hooksOf finds the Rediaccfile at the top of a directory by its name; empty: there is none. What is in the directory is read by nobody here.
func hooksOf(data string) (string, error) {
	dir, err := os.Open(data)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if len(name) == len(hookFile) && strings.EqualFold(name, hookFile) {
				return name, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("cannot look for a Rediaccfile: %w", err)
		}
	}
}

// call calls a function of a pod's Rediaccfile, and returns when it has ended. One that the file does not have has nothing to do. What it prints
// goes to the journal.
func (p *pods) call(ctx context.Context, t fork.Tree, file string, h hook) error {
	last := ""
	exit, err := p.callTo(context.WithoutCancel(ctx), t, file, h, func(line string) {
		last = ": " + gate.Printable(line)
		p.journal.Info("Rediaccfile", "ref", t.Ref(), "function", h.name, "says", gate.Printable(line))
		if h == hookUp {
			p.announce(t.GUID, "up: "+gate.Printable(line))
		}
	})
	switch {
	case err != nil:
		return err
	case exit.Signal != "":
		return errors.New("it was killed" + last)
	case exit.Code != 0:
		return fmt.Errorf("it ended with %d%s", exit.Code, last)
	}
	return nil
}

// callTo calls a function, and hands over what it prints line by line. The file's name has letters alone.
func (p *pods) callTo(ctx context.Context, t fork.Tree, file string, h hook, says func(line string)) (exit wire.Exit, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.time, late(h.time))
	defer cancel()
	command := fmt.Sprintf(`cd "$REDIACC_WORKING_DIR" && exec bash -c '. "./$1" && { declare -F "$2" >/dev/null || exit %d; "$2"; }' `, h.missing) + file + " " + file + " " + h.name
	work, err := p.execution(newSession(), gate.Caller{}, t, gate.Work{Command: []byte(command)})
	if err != nil {
		return exit, err
	}
	work.Home = hookHome
	running, err := p.exec(ctx, p.runDir, t.GUID, work)
	if err != nil {
		return exit, err
	}
	defer running.Close()
	session, err := wire.NewConn(running.Files[0])
	if err != nil {
		return exit, err
	}
	defer session.Close() // what ends the session, and so its output
	defer context.AfterFunc(ctx, func() { session.Close() })()
	_ = running.Files[1].Close() // its standard input
	var printing sync.WaitGroup
	var one sync.Mutex
	for _, out := range running.Files[2:4] {
		printing.Go(func() {
			eachLine(out, func(line string) {
				one.Lock()
				defer one.Unlock()
				says(line)
			})
		})
	}
	exit, err = exitOf(session)
	session.Close()
	printing.Wait()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return exit, err
}

// exitOf waits for the end of a session's command.
func exitOf(session *wire.Conn) (exit wire.Exit, err error) {
	m, files, err := session.Receive()
	wire.CloseAll(files)
	if err == nil && m.Type != wire.TypeExit {
		err = fmt.Errorf("%w: %.40q from a session", wire.ErrMalformed, m.Type)
	}
	if err == nil {
		err = m.Decode(&exit)
	}
	return exit, err
}

// maxPrinted is how much of what a function prints anybody gets; the rest goes nowhere.
const maxPrinted = 64 << 10

func eachLine(out io.Reader, says func(line string)) {
	each := bufio.NewScanner(io.LimitReader(out, maxPrinted))
	for each.Scan() {
		says(each.Text())
	}
	_, _ = io.Copy(io.Discard, out)
}

// down calls down in a tree whose pod runs and is about to end. It ends whatever comes of that.
func (p *pods) down(ctx context.Context, guid string) {
	t, ok := p.trees.Get(guid)
	if !ok {
		return
	}
	file, err := hooksOf(p.trees.Dirs(t).Data)
	if err == nil && file != "" {
		err = p.call(ctx, t, file, hookDown)
	}
	if err != nil && !errors.Is(err, nsjail.ErrNotRunning) {
		p.journal.Error("down of a Rediaccfile failed", "ref", t.Ref(), "error", err)
	}
}
