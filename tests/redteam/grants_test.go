package redteam

import (
	"context"
	"strings"
)

// approvals lets agents ask for production, and the attacker approve, as far as policy goes.
const approvals = `
approve "the-attacker-may-ask" {
  when  = caller.principal == "` + attacker + `" && target.grand && op == "exec"
  wait  = "60s"
  lasts = "60s"
  uses  = 3
}
approve "another-may-ask" {
  when = caller.principal == "` + bystander + `" && target.grand && op == "exec"
  wait = "1s"
}
approve "the-hog-may-ask" {
  when  = caller.principal == "` + hog + `" && target.grand && op == "exec"
  wait  = "60s"
  lasts = "5s"
  uses  = 3
}
permit "the-attacker-approves" {
  when = op == "approve" && caller.principal == "` + attacker + `"
}
`

// clients is what scripts with ssh can use. ask has a session wait in the background, and puts the request's name into id: nothing if it
// got in, or was refused, without waiting. granted has it approved by root.
func (s *stage) clients(ctx context.Context) string {
	onhost := s.Command(ctx, "").Args
	return `n=0; cd $(mktemp -d); ssh() { command ssh -F ` + s.Config + ` "$@" </dev/null; }
onhost() { ` + strings.Join(onhost[:len(onhost)-1], " ") + ` "$@"; }
code() { sed -n 's/.*"code": "\(.*\)".*/\1/p'; }
ask() { n=$((n + 1)); ssh "$1" "$2" >out$n 2>err$n & asked=$!
  until id=$(sed -n 's/.*request \([a-z0-9]*\) waits.*/\1/p' err$n); [ "$id" ] || [ -s out$n ] || ! kill -0 $asked 2>/dev/null; do sleep 0.1; done; }
granted() { onhost forkgate approve $id $(onhost forkgate grants $id --json | code) >/dev/null || exit; until [ -s out$n ] || ! kill -0 $asked 2>/dev/null; do sleep 0.1; done; grant=$id; }
tried() { if [ "$id" ]; then echo "$1: waits"; onhost forkgate revoke $id >/dev/null 2>&1; else echo "$1: $(cat out$n)"; fi; }
`
}

var grantRows = []row{
	{
		name: "its own request, approved", by: "a person's proof, beside what policy permits",
		attempt: step{client, `ask demo@mallory 'echo in'; code=$(ssh gate@mallory grants $id --json | code); ssh gate@mallory approve $id ${code:-aaaaaaaa} >/dev/null 2>&1; echo approve: $?
			ssh gate@mallory approve $id >/dev/null 2>&1; echo approve: $?; tried it; wait; cat out$n`, "approve: 254\napprove: 254\nit: waits"},
		control: &step{client, "ask demo@mallory 'echo in'; granted; wait; cat out$n; onhost forkgate revoke $grant >/dev/null", "in"},
	},
	{
		name: "a grant, by another, elsewhere, for something else", by: "a grant is of a principal, a place, and what was shown",
		before: []step{{host, "forkgate repo create elsewhere", "elsewhere is made: ssh elsewhere@host"}},
		attempt: step{client, `ask demo@mallory 'echo in; sleep 50'; granted; ask demo@bob 'echo in; sleep 50'; tried another; ask elsewhere@mallory 'echo in; sleep 50'; tried elsewhere
			ask demo@mallory 'echo else; sleep 50'; tried else; onhost forkgate revoke $grant >/dev/null; wait`, "another: waits\nelsewhere: waits\nelse: waits"},
		control: &step{client, "ask demo@mallory 'echo in; sleep 50'; granted; ask demo@mallory 'echo in; sleep 50'; tried again; onhost forkgate revoke $grant >/dev/null; wait", "again: in"},
	},
	{
		name: "a grant after its end", by: "its time, which the warden's book has, and the session's cgroup",
		attempt: step{client, `ask demo@hog 'trap "" HUP TERM INT; echo in; sleep 515 & sleep 515'; granted; wait; grep -c 'has ended, and this session with it: it expired' err$n; onhost pgrep -fc '^sleep 515$'
			ask demo@hog 'trap "" HUP TERM INT; echo in; sleep 515 & sleep 515'; tried afterwards; wait`, "1\n0\nafterwards: waits"},
		control: &step{client, "ask demo@mallory 'echo in'; granted; wait; ask demo@mallory 'echo in'; tried meanwhile; wait; onhost forkgate revoke $grant >/dev/null", "meanwhile: in"},
	},
}
