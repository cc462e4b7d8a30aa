package gate

// Op is what a caller asks to do, one word of a closed list. The zero Op is none and is never permitted.
type Op string

// The operations, in the order in which help and reference show them.
const (
	OpShell         Op = "shell"
	OpExec          Op = "exec"
	OpSFTP          Op = "sftp"
	OpForwardLocal  Op = "forward-local"
	OpForwardRemote Op = "forward-remote"
	OpForwardUnix   Op = "forward-unix"
	OpAgentForward  Op = "agent-forward"
	OpFork          Op = "fork"
	OpList          Op = "list"
	OpShow          Op = "show"
	OpRemove        Op = "remove"
	OpExtend        Op = "extend"
	OpSettle        Op = "settle"
	OpDiff          Op = "diff"
	OpFreeze        Op = "freeze"
	OpTag           Op = "tag"
	OpBackup        Op = "backup"
	OpRestore       Op = "restore"
	OpScan          Op = "scan"
	OpSecret        Op = "secret"
	OpApprove       Op = "approve"
	OpGrant         Op = "grant"
	OpRevoke        Op = "revoke"
	OpEnroll        Op = "enroll"
	OpAudit         Op = "audit"
	OpReplay        Op = "replay"
	OpWatch         Op = "watch"
	OpKill          Op = "kill"
)

// operations is the list itself: every word that policy can speak of, with what it means.
var operations = [...]struct {
	op      Op
	meaning string
}{
	{OpShell, "open an interactive shell"},
	{OpExec, "run a command, scp, rsync and git included"},
	{OpSFTP, "transfer files with the sftp subsystem"},
	{OpForwardLocal, "reach a port inside from outside (-L, -D, -W)"},
	{OpForwardRemote, "listen on a port or a socket inside (-R)"},
	{OpForwardUnix, "reach a unix socket inside from outside (-L)"},
	{OpAgentForward, "bring the caller's ssh-agent along"},
	{OpFork, "make a fork"},
	{OpList, "see that a repository or fork exists"},
	{OpShow, "see its details"},
	{OpRemove, "remove a fork"},
	{OpExtend, "put off a fork's expiry"},
	{OpSettle, "settle a fork again"},
	{OpDiff, "compare a fork with its parent"},
	{OpFreeze, "set a fork aside"},
	{OpTag, "rename a fork"},
	{OpBackup, "back up a repository"},
	{OpRestore, "restore a repository from a backup"},
	{OpScan, "scan for credentials"},
	{OpSecret, "set a secret of a repository"},
	{OpApprove, "approve what another caller asks"},
	{OpGrant, "grant a caller entry for a time"},
	{OpRevoke, "take a grant back"},
	{OpEnroll, "enroll a key"},
	{OpAudit, "read the audit log"},
	{OpReplay, "replay a recording"},
	{OpWatch, "follow a live session"},
	{OpKill, "end a session"},
}

// Ops lists every operation.
func Ops() []Op {
	ops := make([]Op, len(operations))
	for i, o := range operations {
		ops[i] = o.op
	}
	return ops
}

// AboutSession reports whether the operation is about somebody's session, which may be another principal's.
func (o Op) AboutSession() bool { return o == OpApprove || o == OpRevoke || o == OpKill }

// Meaning says in a few words what the operation is, empty for what is none.
func (o Op) Meaning() string {
	for _, known := range operations {
		if known.op == o {
			return known.meaning
		}
	}
	return ""
}

// Valid reports whether o is a word of the list.
func (o Op) Valid() bool { return o.Meaning() != "" }
