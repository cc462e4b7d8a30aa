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
	OpFreeze        Op = "freeze"
	OpTag           Op = "tag"
	OpSettle        Op = "settle"
	OpScan          Op = "scan"
	OpDiff          Op = "diff"
	OpApprove       Op = "approve"
	OpRevoke        Op = "revoke"
	OpKill          Op = "kill"
)

// operations is the list itself: every word that policy can speak of, with what it means. Each is asked by a session or a control word: a rule about
// what nobody asks would seem to keep something out.
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
	{OpFreeze, "keep a fork as it is, for as long as nobody thaws it"},
	{OpTag, "give a fork another name, asked for both"},
	{OpSettle, "settle a fork again"},
	{OpScan, "scan for credentials"},
	{OpDiff, "compare it with another, by the names of its files"},
	{OpApprove, "approve what another caller asks"},
	{OpRevoke, "take a grant back"},
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
