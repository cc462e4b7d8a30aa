package warden

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/provenance/chain"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// accountsOf finds the uids of accounts that policy names. What this host does not have is nobody.
func accountsOf(names []string, lookUp func(string) (uint32, error)) (map[uint32]string, error) {
	found := map[uint32]string{}
	var unknown error
	for _, name := range names {
		uid, err := lookUp(name)
		if other, taken := found[uid]; err == nil && taken {
			err = fmt.Errorf("account %s has the uid of %s, so that nobody can tell them apart", name, other)
		}
		if err != nil {
			unknown = errors.Join(unknown, err)
			continue
		}
		found[uid] = name
	}
	return found, unknown
}

// lookUpAccount asks the host. Whoever has root's uid is root.
func lookUpAccount(name string) (uint32, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err == nil && uid == 0 {
		err = fmt.Errorf("account %s is root's", name)
	}
	return uint32(uid), err
}

// account is the name by which policy knows a uid; empty where it does not.
func (r *rules) account(uid uint32) string { return r.has.Load().accounts[uid] }

// speakForAccount takes in what sshd has told a peer that speaks for its own account. That uid is all that is proved: of the principals
// that have the account, a peer can be each. That sshd of root's has started it keeps what else runs by that uid from trying.
func speakForAccount(_ context.Context, r *request, q client.AccountRequest) (answer, error) {
	if shut := r.rules.shut(); shut != nil {
		return answer{}, shut
	}
	who := &identity{user: string(q.User), source: q.Source.Addr().Unmap(), account: r.rules.account(r.uid)}
	if err := r.sshd(r.conn); err != nil {
		return answer{}, r.refuseAccount(who, err, &gate.Refusal{
			Reason: "the host's sshd has not started this", Hint: "it is sshd's ForceCommand, and of no use to anybody else",
		})
	}
	key, err := signedIn(q.Keys)
	if err != nil {
		return answer{}, r.refuseAccount(who, err, &gate.Refusal{
			Reason: "sshd does not say which key signed in: " + err.Error(),
			Hint:   "the operator finds what sshd needs in sshd_config.d/forkgate.conf",
		})
	}
	who.key = key
	evidence, err := r.evidenceOf(who)
	if refusal, refused := gate.AsRefusal(err); refused {
		return answer{}, r.refuseAccount(who, refusal, refusal)
	}
	if err != nil {
		return answer{}, err
	}
	who.principal = evidence.Principal
	return answer{body: client.AccountReply{Account: who.account}}, r.login(who)
}

// refuseAccount records the true reason, and returns what the caller is told.
func (r *request) refuseAccount(who *identity, why error, told *gate.Refusal) error {
	asked := gate.Request{Caller: gate.Caller{Evidence: []string{}}, Source: who.source, Door: sshdDoor}
	if who.key != nil {
		asked.Caller.Key = ssh.FingerprintSHA256(plain(who.key))
	}
	if err := r.log.Refused(r.session, asked, fmt.Sprintf("account %s: %v", who.account, why)); err != nil {
		return err
	}
	return told
}

// signedIn is the one key that sshd says has signed in.
func signedIn(keys [][]byte) (ssh.PublicKey, error) {
	if len(keys) != 1 {
		return nil, fmt.Errorf("it names %d keys, and 1 is needed", len(keys))
	}
	return ssh.ParsePublicKey(keys[0])
}

// startedBySSHD says why a peer is nothing that an sshd of root's has started: directly, by a process of its own that has become the
// account. The peer is still there afterwards, so that it was the peer that was looked at.
func startedBySSHD(conn *wire.Conn) error {
	cred, err := conn.Peer()
	if err != nil {
		return err
	}
	if err := belowSSHD(os.DirFS("/proc"), int(cred.Pid), cred.Uid); err != nil {
		return err
	}
	if lives, err := conn.PeerLives(); err != nil || !lives {
		return fmt.Errorf("process %d has ended: %w", cred.Pid, errors.Join(err, os.ErrProcessDone))
	}
	return nil
}

// belowSSHD walks from a process to its parent, which is sshd's for the connection, and to that one's, which is root's.
func belowSSHD(proc fs.FS, pid int, uid uint32) error {
	for _, want := range []struct {
		uid  uint32
		sshd bool
	}{{uid, false}, {uid, true}, {0, true}} {
		p, err := chain.Read(proc, pid)
		if err != nil {
			return err
		}
		program := gate.Printable(p.Program())
		switch {
		case p.UIDs != [4]uint32{want.uid, want.uid, want.uid, want.uid}:
			return fmt.Errorf("process %d (%s) has the uids %d, not %d alone", pid, program, p.UIDs, want.uid)
		case want.sshd && program != "sshd" && program != "sshd-session": // the latter since OpenSSH 9.8
			return fmt.Errorf("process %d is %s, not sshd", pid, program)
		}
		pid = p.Parent
	}
	return nil
}
