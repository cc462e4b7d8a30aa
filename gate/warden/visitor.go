package warden

import (
	"net/netip"

	"golang.org/x/crypto/ssh"
)

// visitor is an identity as it is written down.
type visitor struct {
	User      string     `json:"user"`
	Key       []byte     `json:"key"` // wire format; a certificate is whole
	Version   string     `json:"version"`
	Source    netip.Addr `json:"source"`
	Account   string     `json:"account,omitempty"`
	Attestor  string     `json:"attestor,omitempty"`
	Statement []byte     `json:"statement,omitempty"`
	Authority string     `json:"authority,omitempty"`
	Principal string     `json:"principal"`
	Touched   []byte     `json:"touched,omitempty"` // wire format of a security key
}

func visitorOf(i *identity) visitor {
	v := visitor{
		User: i.user, Key: i.key.Marshal(), Version: i.version, Source: i.source, Account: i.account, Authority: i.authority, Principal: i.principal,
	}
	if i.attested != nil {
		v.Attestor, v.Statement = i.attested.attestor, i.attested.statement
	}
	if i.touched != nil {
		v.Touched = i.touched.Marshal()
	}
	return v
}

func (v visitor) identity() (*identity, error) {
	key, err := ssh.ParsePublicKey(v.Key)
	if err != nil {
		return nil, err
	}
	i := &identity{user: v.User, key: key, version: v.Version, source: v.Source, account: v.Account, authority: v.Authority, principal: v.Principal}
	if v.Attestor != "" {
		i.attested = &attestation{v.Attestor, v.Statement}
	}
	if len(v.Touched) > 0 {
		i.touched, err = ssh.ParsePublicKey(v.Touched)
	}
	return i, err
}
