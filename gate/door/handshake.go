package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
)

// wardenTimeout bounds what a connection asks of the warden before it is authenticated: answers that take microseconds.
const wardenTimeout = 10 * time.Second

// serverVersion starts like OpenSSH's, because its client tells only those servers that nobody reads a command's output any
// more (see unread).
const serverVersion = "SSH-2.0-OpenSSH_forkgate"

const (
	// maxTries is how often a client may fail to authenticate.
	maxTries = 6
	// maxOffers is how often it may fail in all, with the keys that it offers and that are nobody's: sshd counts these among the six, so that
	// who has more of them in an ssh-agent never comes to the one that matters. No key is found by offering keys; it costs a look each, and
	// there is as much time as ever.
	maxOffers = 32
)

var (
	errUnknownKey  = errors.New("no principal has this key")
	errCertificate = errors.New("the certificate is not accepted")
	errUnproven    = errors.New("the handshake proved no key")

	errTooManyTries = fmt.Errorf("failed to authenticate %d times", maxTries)
)

// serverConfig says how a connection is encrypted and who may pass: whoever signs with a key that the warden knows. There
// is no banner for an unknown key: a client offers its keys one by one, and it would see one for each that comes before
// the right one.
func (c *connection) serverConfig() *ssh.ServerConfig {
	config := &ssh.ServerConfig{
		Config:                    ssh.Config{KeyExchanges: keyExchanges(), MACs: macs(), RekeyThreshold: c.door.Rekey},
		ServerVersion:             serverVersion,
		MaxAuthTries:              maxOffers,
		PublicKeyAuthAlgorithms:   userKeys(),
		PublicKeyCallback:         c.offered,
		VerifiedPublicKeyCallback: c.proved,
		AuthLogCallback:           c.attempted,
	}
	keys, err := c.hostKeys()
	if err != nil {
		c.ourFault = true
		c.log.Error("cannot serve a connection", "error", err)
	}
	for _, k := range keys {
		config.AddHostKey(k)
	}
	config.Ciphers = c.suitableCiphers()
	return config
}

// attempted takes note of how an attempt to authenticate went. That one goes on, or a key is not known, is no failure.
func (c *connection) attempted(meta ssh.ConnMetadata, method string, err error) {
	var partly *ssh.PartialSuccessError
	switch {
	case err == nil:
		c.arrive(c.assertion(meta, c.proof))
	case method == "none", errors.Is(err, errUnknownKey), errors.Is(err, errNoTouch), errors.As(err, &partly):
	default:
		if c.tries++; c.tries == maxTries {
			c.hangUp(errTooManyTries)
		}
	}
}

// offered answers whether it is worth the client's while to sign with a key. Nothing is proved yet.
func (c *connection) offered(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	c.offer = key
	ctx, cancel := context.WithTimeout(c.ctx, wardenTimeout)
	defer cancel()
	var known bool
	err := c.warden.ask(ctx, func(w Warden) (err error) {
		known, err = w.Identify(ctx, client.IdentifyRequest{Key: key.Marshal(), Source: c.source})
		return err
	})
	if err != nil {
		c.ourFault = true
		c.log.Error("cannot look up a key", "error", err)
		// A failed login shows the client nothing but "Permission denied"; a banner before it says whose fault it is.
		text, _ := gate.Explain(err, c.id)
		return nil, &ssh.BannerError{Err: err, Message: text}
	}
	if !known {
		return nil, errUnknownKey
	}
	return &ssh.Permissions{}, nil
}

// proofKey is where the key that signed lies among a connection's permissions.
type proofKey struct{}

// proved is called when a signature has been verified, with the key that made it. A certificate is the warden's to verify, and that at
// once: whoever made one for himself would otherwise be in, if only to nothing. After one comes the touch of a security key, if the warden
// wants one.
func (c *connection) proved(meta ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
	if c.certificate != nil {
		return c.touched(key)
	}
	if _, ok := key.(*ssh.Certificate); ok {
		ctx, cancel := context.WithTimeout(c.ctx, wardenTimeout)
		defer cancel()
		made, err := c.warden.assert(ctx, c.assertion(meta, key))
		if err != nil {
			c.log.Info("a certificate was not accepted", "source", c.source, "error", gate.Printable(err.Error()))
			return nil, errCertificate
		}
		if made.Touch {
			return nil, c.askForTouch(key, made.Sign)
		}
	}
	return c.permissions(key), nil
}

// permissions say which key, or certificate, has proved who speaks.
func (c *connection) permissions(key ssh.PublicKey) *ssh.Permissions {
	c.proof = key
	return &ssh.Permissions{ExtraData: map[any]any{proofKey{}: key}}
}

// assertion is what the warden is told of who speaks.
func (c *connection) assertion(meta ssh.ConnMetadata, key ssh.PublicKey) client.AssertRequest {
	return client.AssertRequest{
		User: []byte(meta.User()), Key: key.Marshal(), SessionID: meta.SessionID(),
		ClientVersion: meta.ClientVersion(), Source: c.source,
	}
}

// identity reads who speaks from a finished handshake.
func (c *connection) identity(conn *ssh.ServerConn) (client.AssertRequest, error) {
	if conn == nil || conn.Permissions == nil {
		return client.AssertRequest{}, errUnproven
	}
	key, ok := conn.Permissions.ExtraData[proofKey{}].(ssh.PublicKey)
	if !ok {
		return client.AssertRequest{}, errUnproven
	}
	return c.assertion(conn, key), nil
}

// hostKeys are the host keys of the warden that the door can offer.
func (c *connection) hostKeys() ([]ssh.Signer, error) {
	ctx, cancel := context.WithTimeout(c.ctx, wardenTimeout)
	defer cancel()
	var has client.HostKeysReply
	err := c.warden.ask(ctx, func(w Warden) (err error) {
		has, err = w.HostKeys(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot get the host keys: %w", err)
	}
	var signers []ssh.Signer
	c.announced = append(slices.Clip(has.Keys), has.Next...)
	for _, k := range has.Keys {
		public, err := ssh.ParsePublicKey(k)
		if err != nil {
			return nil, fmt.Errorf("cannot read a host key: %w", err)
		}
		if isHostKeyType(public.Type()) {
			signers = append(signers, &hostKey{public, c})
		}
	}
	for _, k := range has.Certificates {
		public, err := ssh.ParsePublicKey(k)
		cert, ok := public.(*ssh.Certificate)
		if err != nil || !ok {
			return nil, fmt.Errorf("cannot read a host certificate: %w", err)
		}
		if isHostKeyType(cert.Key.Type()) {
			signers = append(signers, &certifiedKey{hostKey{cert.Key, c}, cert})
		}
	}
	if signers == nil {
		return nil, errors.New("the warden has no ed25519 or ecdsa host key")
	}
	return signers, nil
}

// hostKey signs through the warden. The key itself never comes here.
type hostKey struct {
	public ssh.PublicKey
	c      *connection
}

func (k *hostKey) PublicKey() ssh.PublicKey { return k.public }

// certifiedKey is one that is shown with its certificate. It signs as the key does.
type certifiedKey struct {
	hostKey
	cert *ssh.Certificate
}

func (k *certifiedKey) PublicKey() ssh.PublicKey { return k.cert }

func (k *hostKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return k.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm makes a hostKey an ssh.AlgorithmSigner. It is called at each key exchange of a connection.
func (k *hostKey) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (_ *ssh.Signature, err error) {
	err = errClosed // what a panic leaves behind; this runs in a goroutine of x/crypto, which would not survive one
	defer k.c.survive("host key")
	ctx, cancel := context.WithTimeout(k.c.ctx, wardenTimeout)
	defer cancel()
	var reply client.SignReply
	err = k.c.warden.ask(ctx, func(w Warden) (err error) {
		reply, err = w.Sign(ctx, client.SignRequest{Key: k.public.Marshal(), Data: data, Algorithm: algorithm})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot sign with the host key: %w", err)
	}
	return &ssh.Signature{Format: reply.Format, Blob: reply.Blob}, nil
}
