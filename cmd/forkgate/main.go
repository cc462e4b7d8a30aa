// Command forkgate is the host's program: the services (warden, gate, pod) and the operator's commands. It holds no logic of
// its own: each command is a few lines around a package.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	args, err := asShell(os.Args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "forkgate:", err)
		os.Exit(gate.ExitRefused)
	}
	code := run(ctx, args)
	stop()
	os.Exit(code)
}

// exitUsage is the code for what the operator can mend, and nobody was asked for: a wrong word, a missing pool, a policy that does not
// load. What the warden refuses is 254, as it is by ssh.
const exitUsage = 1

// mistyped is a refusal of words that came to nobody.
type mistyped struct{ error }

func (m mistyped) Unwrap() error { return m.error }

func run(ctx context.Context, args []string) int {
	root := commands()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	text, code := explain(err)
	fmt.Fprint(os.Stderr, text)
	return code
}

// explain says what went wrong, and by which exit code a script knows it.
func explain(err error) (text string, code int) {
	var failed *client.Failed
	var session ended
	var words mistyped
	switch _, refused := gate.AsRefusal(err); {
	case refused:
		text, code := gate.Explain(err, "")
		if errors.As(err, &words) {
			code = exitUsage
		}
		return forOperator(text), code
	case errors.As(err, &session):
		return "", session.Code
	case errors.As(err, &failed):
		return gate.Explain(err, failed.Session)
	case errors.Is(err, client.ErrGone):
		return "forkgate: the warden hung up\nhint: journalctl -u forkgate-warden\n", gate.ExitFailed
	}
	return "forkgate: " + apart(strings.TrimPrefix(err.Error(), "forkgate: ")) + "\n", exitUsage
}

// apart says of flags that do not go together, which cobra calls a group, that they do not.
func apart(text string) string {
	_, set, _ := strings.Cut(text, "none of the others can be; [")
	set, _, ok := strings.Cut(set, "] were all set")
	if !ok {
		return text
	}
	return "--" + strings.Join(strings.Fields(set), " and --") + " do not go together"
}

// forOperator turns hints for people who come by ssh into the operator's own commands.
func forOperator(text string) string {
	return strings.NewReplacer("ssh "+gate.ControlUser+"@host ", "forkgate ", "ssh "+gate.TouchUser+"@host ", "forkgate ").Replace(text)
}
