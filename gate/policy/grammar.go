package policy

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// blockKind is a type of block. The loader reads files by the table of them, and [Reference] shows it, so that neither knows more
// than the other.
type blockKind struct {
	name    string
	label   string // what stands behind the type, in quotes; empty: nothing
	meaning string
	fields  []field
	within  []string // types of block that may stand in it
}

// field is an attribute of a block. Exactly the fields of a block's kind may stand in it.
type field struct {
	name    string
	shape   string // how its value is written
	meaning string
	need    need
}

// need says whether a field has to be there.
type need int8

const (
	optional need = iota
	required
	refused // it is known in order to say why it cannot be
)

// Shapes that several fields have.
const (
	shapeText      = `"TEXT"`
	shapeTexts     = `["TEXT", ...]`
	shapeKey       = `"ssh-ed25519 AAAA..."`
	shapeFlag      = "true or false"
	shapeSize      = `"20GiB"`
	shapeTime      = `"30m"`
	shapeCount     = "2048"
	shapeCPU       = "1.5"
	shapeEgress    = `["*"] or ["192.0.2.0/24:443/tcp", "api.example.com:443", "@npm", ...]`
	shapeCondition = "CONDITION"
	shapeTemplate  = `"TEXT ${FACT}"`
)

// grammar lists every kind of block, in the order of the reference.
var grammar = []blockKind{
	{"principal", "NAME", "a person or a service that may speak", []field{
		{"keys", `["ssh-ed25519 AAAA...", ...]`, "public keys that it signs in with; needed unless an attestor or an authority speaks for it", optional},
		{"groups", shapeTexts, "names that rules can speak of with caller.groups", optional},
		{"vouched", shapeFlag, "no agent can reach these keys: they make a person, for entering", optional},
		{"accounts", shapeTexts, "accounts of this host by which the host's own sshd lets it in", optional},
	}, nil},
	{"attestor", "NAME", "a workstation whose word on who is at it counts", []field{
		{"key", shapeKey, "the public key by which it signs certificates; forkgate-attest init prints it", required},
		{"principals", `{ "1000" = "alice" }`, "which of its uids speaks as which principal", required},
		{"minimum", `["tiocsti", "ptrace", "events"]`, "what has to hold there; all three where it is left out", optional},
	}, nil},
	{"authority", "NAME", "a certificate authority (ssh-keygen -s) that says whose keys are whose, and makes nobody a person", []field{
		{"key", shapeKey, "the public key by which it signs certificates of users", required},
		{"principals", `{ "alice@example.org" = "alice" }`, "which name in them speaks as which principal", required},
		{"revoked", `["SHA256:...", ...]`, "fingerprints of keys whose certificates count no more", optional},
	}, nil},
	{"security_key", "NAME", "a key with a touch that counts as presence, for entering, without its maker's word", []field{
		{"key", `"sk-ssh-ed25519@openssh.com AAAA..."`, "the public key", required},
		{"principal", shapeText, "whose it is", required},
		{"presence", "true", "a touch of it counts; forkgate key enroll has one count for approving too, and needs no block", required},
	}, nil},
	{"agent", "NAME", "a program that is an agent, and how it is known; policy.d/agents.hcl has those there are", []field{
		{"env", `["NAME", "NAME=VALUE", ...]`, "variables that it sets", optional},
		{"mixed", `["NAME", "NAME=VALUE", ...]`, "variables of programs that people use as well as agents", optional},
		{"comm", shapeTexts, "names of its processes, whole", optional},
		{"exe", shapeTexts, "names of its program file, without directories", optional},
		{"path", shapeTexts, "a component of its program's path", optional},
		{"argv", shapeTexts, "the name of a script that an interpreter runs", optional},
	}, nil},
	{"permit", "NAME", "a rule that lets in; what no rule permits is forbidden", []field{
		{"when", shapeCondition, "the condition; true for a rule without one", required},
		{"record", `"required" or "best-effort"`, "sessions are recorded; of all rules that let one in the strictest counts", optional},
	}, []string{"require", "limits"}},
	{"forbid", "NAME", "a rule that keeps out; it beats every permit", []field{
		{"when", shapeCondition, "the condition; true for a rule without one", required},
		{"reason", shapeTemplate, "what the caller is told", required},
		{"hint", shapeTemplate, "what the caller can do instead", optional},
		{"lockdown", shapeFlag, "it may keep out all that a permit lets in, which is a mistake else: for a time when nobody is to come in, whatever tests expect", optional},
	}, nil},
	{"approve", "NAME", "a rule by which sessions wait for somebody's approval instead of being refused", []field{
		{"when", shapeCondition, "which sessions may wait", required},
		{"wait", `"2m"`, "how long one waits, 10m at most; 2m where it is left out", optional},
		{"lasts", `"15m"`, "how long what is granted lasts, 24h at most; 15m where it is left out", optional},
		{"uses", "1", "how many sessions a grant opens, 1 to 1000; 1 where it is left out", optional},
		{"record", `"required" or "best-effort"`, "sessions under a grant are recorded", optional},
		{"stop_containers", shapeFlag, "the end of a grant stops the containers that were started under it", optional},
	}, nil},
	{"require", "", "what has to be there beside, or the permit does not match, and the caller is told what is missing", []field{
		{"evidence", "4", "the class of the evidence, at least: caller.class", optional},
		{"approval", "1", "how many have approved the session: it waits for them, on the terms that approve has where it says nothing", optional},
	}, nil},
	{"limits", "", "what a fork may use, fixed when it is made; of all permits that match, the strictest of each counts", []field{
		{"quota", shapeSize, "of the pool, over all that the fork writes: KiB, MiB, GiB, TiB; 20GiB where no rule says", optional},
		{"memory", shapeSize, "of memory; 4GiB where no rule says", optional},
		{"pids", shapeCount, "processes and threads; 2048 where no rule says", optional},
		{"cpu", shapeCPU, "processors; 2 where no rule says", optional},
		{"io", "100", "weight of its reads and writes, 1 to 10000", optional},
		{"egress", shapeEgress, "what it reaches; nothing where no rule says", optional},
		{"ttl", `"72h"`, "how long it is kept, 10s at least, and removed then when nobody is in it; until somebody removes it where no rule says", optional},
		{"renew", shapeFlag, "the end of each session in it has that begin again; it does not where one rule says false, or none speaks of it", optional},
	}, nil},
	{"repository", "NAME", "what a grand (production) repository gets of the host, from the next start of its pod", []field{
		{"publish", `["443:8443/tcp", ...]`, "the host's port, and the pod's", optional},
		{"egress", shapeEgress, "what it reaches; nothing where it is left out", optional},
		{"autostart", shapeFlag, "its pod starts with the host", optional},
		{"linger", `"10m"`, "how long a person's work goes on when the connection breaks; 10m where it is left out", optional},
		{"memory", shapeSize, "of memory; not limited where it is left out", optional},
		{"pids", shapeCount, "processes and threads; not limited where it is left out", optional},
		{"cpu", shapeCPU, "processors; not limited where it is left out", optional},
		{"io", "100", "weight of its reads and writes, 1 to 10000", optional},
		{"quota", shapeSize, "", refused},
		{"ttl", shapeTime, "", refused},
	}, nil},
	{"places", "NAME", "a list of places that egress names by \"@NAME\"; policy.d/places.hcl has some", []field{
		{"egress", `["registry.example.org:443", ...]`, "them, written as egress is", required},
	}, nil},
	{"pods", "", "what holds for all pods of the host; there is one such block at most", []field{
		{"idle", shapeTime, "a pod in which nothing goes on for so long is stopped; 30m where it is left out", optional},
		{"resolvers", `["192.0.2.53", ...]`, "whom pods with egress ask for names; nobody where it is left out", optional},
		{"forks_per_principal", "8", "how many forks a principal has at most; 8 where it is left out", optional},
		{"quota_per_principal", shapeSize, "what these may come to together, by the quota that each has; not bounded where it is left out", optional},
		{"pods_per_principal", "4", "how many of these run at a time: one in which nothing goes on is stopped for another; not bounded where it is left out", optional},
		{"evict", shapeFlag, "who has as many forks as allowed loses that which was unused for longest, and is not refused another", optional},
	}, nil},
	{"connections", "", "what one SSH connection may have open, and for how long; there is one such block at most", []field{
		{"sessions", "16", "sessions at a time on one connection (ControlMaster); 16 where it is left out", optional},
		{"forwards", "64", "forwards at a time on one connection, and what connects to -R; 64 where it is left out", optional},
		{"principal", "256", "connections that a principal has at a time; 256 where it is left out", optional},
		{"idle", shapeTime, "a connection by which nothing goes for so long is ended, whatever keepalives its client sends; never where it is left out", optional},
	}, nil},
	{"recordings", "", "what recordings of sessions may take of the disk, and who reads them; there is one such block at most", []field{
		{"quota", shapeSize, "all of them together; 10GiB where it is left out", optional},
		{"principal", shapeSize, "those of one principal; a quarter of the quota where it is left out", optional},
		{"session", shapeSize, "one session; 256MiB where it is left out", optional},
		{"recipients", `["age1...", ...]`, "keys of age (age-keygen prints them) that recordings are encrypted to; they are not where it is left out", optional},
	}, nil},
	{"redact", "NAME", "what neither recordings nor the audit log show: [redacted:NAME] stands there", []field{
		{"pattern", `"sk_live_[0-9a-zA-Z]+"`, "a regular expression (RE2), of something within a line", required},
	}, nil},
	{"scrub", "NAME", "what is done to the files of a fork before anybody is in it, in the order of the names: one of remove, empty, set or generate, run, and leaks", []field{
		{"repositories", shapeTexts, "to the forks of these; of all where it is left out", optional},
		{"files", `["**/.env", ...]`, "which, below the data: ** is any number of directories", optional},
		{"volumes", `["*/_data/**/*.conf", ...]`, "which, below Docker's volumes: NAME/_data/PATH", optional},
		{"remove", shapeFlag, "they are removed, directories with all that is in them", optional},
		{"empty", shapeFlag, "they stay, with nothing in them", optional},
		{"set", `{ "STRIPE_*" = "sk_test_sandbox" }`, "what values get, by their names, in dotenv files, ini files, JSON and YAML", optional},
		{"generate", `["DB_PASSWORD", ...]`, "names of values that are made up, the same in all files of a fork", optional},
		{"run", `["/usr/bin/python3", "scrub.py"]`, "a program of the rootfs, in the data, as the fork's root and without network", optional},
		{"leaks", `"refuse", "redact" or "report"`, "credentials are looked for, by their form: where one is found nobody enters, or it is written over, or it is told of alone; everywhere, unless files or volumes say where", optional},
		{"ignore", `["generic-api-key", ...]`, "kinds of credentials that are not looked for, as forkgate scan names them", optional},
	}, nil},
	{"test", "NAME", "a request, and what the policy has to answer; a policy that fails one does not load", nil, []string{"request", "expect"}},
	{"request", "", "what is asked", []field{
		{"caller", shapeText, "the principal; it need not be one of the files", required},
		{"kind", `"agent" or "human"`, "what it is", required},
		{"op", shapeText, "what it asks for, an operation", required},
		{"target", `"REPO" or "REPO:TAG"`, "of what", optional},
		{"groups", shapeTexts, "the caller's groups", optional},
		{"owner", shapeText, "whose the fork is; the caller's where it is left out", optional},
		{"parent", `"REPO" or "REPO:TAG"`, "what it is a fork of; the repository where it is left out", optional},
		{"parent_owner", shapeText, "whose that is", optional},
		{"door", `"ssh", "sshd" or "operator"`, "which way it comes; ssh where it is left out", optional},
		{"source", `"192.0.2.7"`, "from which address", optional},
		{"command", shapeText, "the command as sent", optional},
		{"host", shapeText, "for ops forward-...: where it leads", optional},
		{"port", "8080", "and to which port", optional},
		{"path", shapeText, "for op forward-unix: to which socket", optional},
		{"attested", `"person", "agent" or "unverified"`, "what an attestor says", optional},
		{"shared", shapeFlag, "others may use the person's connection", optional},
		{"security_key", shapeText, "the name of the security key that was touched", optional},
		{"enrolled", shapeFlag, "that key's maker has attested it", optional},
		{"override", shapeTexts, "repositories that the agent has a person's leave for", optional},
		{"override_refused", shapeText, "why the agent's override counts for nothing", optional},
		{"granted", shapeFlag, "somebody has approved the session", optional},
		{"asker", shapeText, "for ops approve, revoke and kill: whose session it is about", optional},
		{"approver", shapeText, "for op revoke: who approved it", optional},
		{"entered", shapeFlag, "an agent has been there", optional},
	}, nil},
	{"expect", "", "what has to come of it", []field{
		{"verdict", `"permit" or "forbid"`, "the answer", required},
		{"rule", shapeText, "the rule it is by; \"\" for none", optional},
		{"approvable", shapeFlag, "somebody could approve it", optional},
		{"record", `"required" or "best-effort"`, "the session is recorded so", optional},
	}, []string{"limits"}},
}

// kindOf finds a kind. Every type that is asked for is in the table.
func kindOf(name string) blockKind {
	return grammar[slices.IndexFunc(grammar, func(k blockKind) bool { return k.name == name })]
}

// body is the kind's body as HCL's decoder wants it.
func (k blockKind) body() *hcl.BodySchema {
	schema := &hcl.BodySchema{}
	for _, f := range k.fields {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: f.name})
	}
	for _, name := range k.within {
		schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: name})
	}
	return schema
}

// outer lists the types of block that the kind stands in; none: it stands at the top of a file.
func (k blockKind) outer() (types []string) {
	for _, other := range grammar {
		if slices.Contains(other.within, k.name) {
			types = append(types, other.name)
		}
	}
	return types
}

// fileSchema is what may stand at the top of a file.
func fileSchema() *hcl.BodySchema {
	schema := &hcl.BodySchema{}
	for _, kind := range grammar {
		if len(kind.outer()) > 0 {
			continue
		}
		header := hcl.BlockHeaderSchema{Type: kind.name}
		if kind.label != "" {
			header.LabelNames = []string{"name"}
		}
		schema.Blocks = append(schema.Blocks, header)
	}
	return schema
}
