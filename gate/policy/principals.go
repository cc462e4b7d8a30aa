package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/provenance"
)

// keyTypes are the kinds of public key that a principal may have. Certificates and ssh-dss are not among them.
var keyTypes = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSA,
}

func (l *loader) readPrincipals() {
	p := l.policy
	p.principals, p.byKey, p.byFingerprint = map[string]Principal{}, map[string]string{}, map[string]string{}
	for _, block := range l.of("principal") {
		l.readPrincipal(block)
	}
	p.summary.Principals, p.summary.Keys = len(p.principals), len(p.byKey)
}

func (l *loader) readPrincipal(block *hcl.Block) {
	p, name := l.policy, block.Labels[0]
	if err := gate.CheckName(name); err != nil {
		l.complain(block.LabelRanges[0], "Malformed name", "%q cannot be a principal: %v.", name, err)
	}
	fields := l.fields(block)
	var groups []string
	for _, group := range fields.list("groups") {
		if err := gate.CheckName(group.text); err != nil {
			fields.complain(group.at, "Malformed name", "%q cannot be a group: %v.", group.text, err)
		}
		groups = append(groups, group.text)
	}
	keys, accounts := fields.list("keys"), fields.accounts()
	if len(keys) == 0 && len(accounts) > 0 && !fields.broken {
		fields.complain(block.DefRange, "No key", "Who logs in to an account is told by the key: give %q keys, or no accounts.", name)
	}
	if len(keys) == 0 && !fields.broken {
		l.keyless = append(l.keyless, block) // an attestor or an authority may speak for it
	}
	for _, line := range keys {
		key, err := parseKey(line.text)
		if err != nil {
			fields.complain(line.at, "Unusable key", "%s", sentence(err))
			continue
		}
		wire := string(key.Marshal())
		if owner, taken := p.byKey[wire]; taken {
			fields.complain(line.at, "Duplicate key", "This key is %q's already: a key says who speaks.", owner)
			continue
		}
		p.byKey[wire], p.byFingerprint[ssh.FingerprintSHA256(key)] = name, name
	}
	slices.Sort(groups)
	p.principals[name] = Principal{
		Name: name, Groups: slices.Compact(groups), Vouched: fields.flag("vouched"), Accounts: accounts,
	}
}

// maxAccount is the longest name of an account, as useradd(8) has it.
const maxAccount = 32

// accounts reads names of the host's accounts. Whether there are such is the host's to say, and policy is checked elsewhere, too.
func (f *fields) accounts() (names []string) {
	const marks = "._-@"
	for _, account := range f.list("accounts") {
		name := account.text
		odd := strings.ContainsFunc(name, func(r rune) bool {
			return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(marks, r))
		})
		switch {
		case name == "" || len(name) > maxAccount || odd || name[0] == '-' || '0' <= name[0] && name[0] <= '9':
			f.complain(account.at, "Malformed name", "%s cannot be an account: its name as in /etc/passwd is needed, not its uid.", quoted(name))
		case name == "root":
			f.complain(account.at, "Unusable account", "root has a socket of its own here, and would not be bound by policy: use an account without rights.")
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// parseKey reads a line of authorized_keys (sshd(8)) that has no options.
func parseKey(line string) (ssh.PublicKey, error) {
	if strings.ContainsAny(line, "\r\n") {
		return nil, fmt.Errorf("a key is one line")
	}
	// The parser skips lines that it cannot read; of one line nothing is left then.
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, fmt.Errorf("%s is no public key: the line of a .pub file stands here", quoted(line))
	}
	if len(options) > 0 || strings.Fields(line)[0] != key.Type() {
		return nil, fmt.Errorf("key options have no meaning here: start with the type, %q", key.Type())
	}
	if strings.Contains(key.Type(), "-cert-") {
		return nil, fmt.Errorf("this is a certificate (%s): give the key itself", key.Type())
	}
	if !slices.Contains(keyTypes, key.Type()) {
		return nil, fmt.Errorf("keys of type %s are not accepted: use ssh-ed25519", key.Type())
	}
	return key, provenance.CheckStrength(key)
}
