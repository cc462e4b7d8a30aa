package door

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// touchTimeout is how long who has shown a certificate may take to find the security key and to touch it. With what went before it
// ends within the minute for which the warden knows the connection.
const touchTimeout = 35 * time.Second

// signTimeout is how long it may take who signs a line in another terminal. The warden knows the connection for longer.
const signTimeout = 2 * time.Minute

// untouchedNotice is what ssh shows where no security key is touched.
const untouchedNotice = "forkgate: no security key answered, and you come in by the certificate alone, as class 3: what takes a touch will be refused. " +
	"ssh needs the key's file (~/.ssh/id_ed25519_sk, or an IdentityFile) or an ssh-agent that has it"

// signQuestion is asked where somebody may have a security key of a type that ssh cannot be asked to use for it (ecdsa-sk). All
// of it is the prompt: a program that answers in the person's place (SSH_ASKPASS) is given that and nothing else.
const signQuestion = `forkgate: a touch of a security key is wanted. One of type ecdsa-sk is touched by running this in another terminal:

  %s

Paste what it prints within two minutes, or press Enter to come in without, as class 3: `

// mistakenNotice is what ssh shows when what was pasted is no signature that counts.
const mistakenNotice = "forkgate: what was signed is not accepted, and you come in by the certificate alone, as class 3: what takes a touch will be refused. " +
	"Connect again for another try"

var (
	errNoTouch   = errors.New("not a security key of who is authenticated so far")
	errSignature = errors.New("the signature is not to be had")
	errTouch     = errors.New("the touch is not accepted")
)

// askForTouch has the client go on, now that its certificate is accepted: with a security key, or without one.
func (c *connection) askForTouch(certificate ssh.PublicKey, sign string) error {
	c.certificate, c.sign = certificate, sign
	c.deadline.Reset(touchTimeout)
	return &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{
		PublicKeyCallback: c.offeredTouch, KeyboardInteractiveCallback: c.withoutTouch,
	}}
}

// offeredTouch answers whether a touch of the key would count. The client offers its certificate again, and whatever keys it has.
func (c *connection) offeredTouch(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if !isSecurityKey(key) {
		return nil, errNoTouch
	}
	ctx, cancel := context.WithTimeout(c.ctx, wardenTimeout)
	defer cancel()
	var known bool
	err := c.warden.ask(ctx, func(w Warden) (err error) {
		known, err = w.Identify(ctx, client.IdentifyRequest{Key: key.Marshal(), Source: c.source, Touch: true})
		return err
	})
	if err != nil || !known {
		return nil, errors.Join(errNoTouch, err)
	}
	return &ssh.Permissions{}, nil
}

// touched hands the signature of a security key to the warden, which verifies it anew: what this process says of it counts for nothing.
func (c *connection) touched(key ssh.PublicKey) (*ssh.Permissions, error) {
	signature, err := signatureBehind(key)
	if err != nil {
		return nil, err
	}
	return c.handOver(client.TouchRequest{Key: key.Marshal(), Signature: signature})
}

// handOver has the warden verify a touch. It takes one from a connection, good or not.
func (c *connection) handOver(q client.TouchRequest) (*ssh.Permissions, error) {
	c.sign = ""
	ctx, cancel := context.WithTimeout(c.ctx, wardenTimeout)
	defer cancel()
	if err := c.warden.touch(ctx, q); err != nil {
		c.log.Info("a touch was not accepted", "source", c.source, "error", gate.Printable(err.Error()))
		return nil, errTouch
	}
	return c.permissions(c.certificate), nil
}

// withoutTouch lets in who has no security key at hand, by the certificate alone. It asks nothing, as a question would wait for an answer
// where nobody is, unless the key could be one that signs a line.
func (c *connection) withoutTouch(_ ssh.ConnMetadata, challenge ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	notice := untouchedNotice
	if c.sign != "" {
		c.deadline.Reset(signTimeout)
		answers, err := challenge("", "", []string{fmt.Sprintf(signQuestion, c.sign)}, []bool{true})
		if err != nil || len(answers) != 1 {
			return nil, errors.Join(errNoTouch, err)
		}
		if signed := strings.TrimSpace(answers[0]); signed != "" {
			permissions, err := c.handOver(client.TouchRequest{Signed: signed})
			if err == nil {
				return permissions, nil
			}
			notice = mistakenNotice
		}
	}
	if _, err := challenge("", notice, nil, nil); err != nil {
		return nil, err
	}
	return c.permissions(c.certificate), nil
}

func isSecurityKey(key ssh.PublicKey) bool {
	return key.Type() == ssh.KeyAlgoSKED25519 || key.Type() == ssh.KeyAlgoSKECDSA256
}

// signatureBehind finds the signature that x/crypto has just verified with an sk-ssh-ed25519 key. The library shows it to nobody; but
// the bytes of the key that it hands out are a part of the packet, whose rest the slice still reaches: the application, and then the
// signature (RFC 4252 section 7). Should a later library copy the bytes there is nothing behind them, and no touch counts. Of an
// ECDSA key it keeps numbers and no bytes, so that there is nothing to find: with these one signs a line (withoutTouch).
//
// What is found need not be what was verified: it is for the warden to verify.
func signatureBehind(key ssh.PublicKey) ([]byte, error) {
	inner, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil, errSignature
	}
	public, ok := inner.CryptoPublicKey().(ed25519.PublicKey)
	if !ok || !isSecurityKey(key) {
		return nil, errSignature
	}
	var whole struct {
		Type        string
		Key         []byte
		Application []byte `ssh:"rest"` // with its length
	}
	if err := ssh.Unmarshal(key.Marshal(), &whole); err != nil {
		return nil, errors.Join(errSignature, err)
	}
	behind, ok := bytes.CutPrefix(public[len(public):cap(public)], whole.Application)
	if !ok {
		return nil, errSignature
	}
	var packet struct {
		Signature []byte
		Rest      []byte `ssh:"rest"` // nothing, or what memory was left over
	}
	if err := ssh.Unmarshal(behind, &packet); err != nil {
		return nil, errors.Join(errSignature, err)
	}
	return bytes.Clone(packet.Signature), nil
}

// failed is called when a handshake has failed. A security key that signs without being touched is refused by the library: that
// belongs into the record, where nobody else could tell of it.
func (c *connection) failed(err error) {
	if c.charge(err) {
		c.log.Info("handshake failed", "source", c.source, "error", gate.Printable(err.Error()))
	}
	if c.offer == nil || !strings.Contains(err.Error(), "missing required user presence") {
		return
	}
	if err := c.tellUntouched(); err != nil {
		c.log.Error("cannot tell the warden of a key that was not touched", "error", err)
	}
}

// tellUntouched has a way to the warden of its own: the connection's has ended with it.
func (c *connection) tellUntouched() error {
	ctx, cancel := context.WithTimeout(c.door.ctx, wardenTimeout)
	defer cancel()
	w, err := c.door.Dial(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.Untouched(ctx, client.UntouchedRequest{Key: c.offer.Marshal(), Source: c.source})
}
