package presence

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

// ErrAttestation is an attestation that does not show what it is to show.
var ErrAttestation = errors.New("the attestation is not good")

// ErrRoot is an attestation by a maker for whom no root certificate stands. It comes within ErrAttestation.
var ErrRoot = errors.New("leads to none of the roots")

const (
	attestationMagic = "ssh-sk-attest-v01"
	maxAttestation   = 16 << 10

	// Parts of authenticator data (WebAuthn level 2 section 6.1).
	flagAttested   = 0x40 // the new key follows
	flagExtensions = 0x80 // and something after that
	authHeader     = 32 + 1 + 4
	keyHeader      = 16 + 2
)

// attestation is the file that ssh-keygen -O write-attestation=FILE writes (OpenSSH PROTOCOL.u2f).
type attestation struct {
	Magic       string
	Certificate []byte // X.509, DER; the manufacturer's, one for many keys
	Signature   []byte // by the certificate's key
	AuthData    []byte // authenticator data, as a CBOR byte string
	Flags       uint32
	Reserved    string
}

// Made is who made a security key, by its attestation.
type Made struct {
	Model  string // AAGUID of the make and model, hex; empty where it has none
	By     string // subject of the attestation certificate
	Issuer string // and who issued that
}

// VerifyAttestation checks that the private half of key was made within hardware by a maker whom one of the roots stands for, and by
// a touch: the attestation is the file that ssh-keygen -O write-attestation=FILE writes, challenge the content of the file that was
// given to it with -O challenge=FILE. It fails with ErrNoSecurityKey or ErrAttestation.
func VerifyAttestation(key ssh.PublicKey, file, challenge []byte, roots *x509.CertPool, now time.Time) (Made, error) {
	if !IsSecurityKey(key) {
		return Made{}, ErrNoSecurityKey
	}
	wrong := func(format string, args ...any) (Made, error) {
		return Made{}, fmt.Errorf("%w: "+format, append([]any{ErrAttestation}, args...)...)
	}
	var a attestation
	if len(file) > maxAttestation || ssh.Unmarshal(file, &a) != nil || a.Magic != attestationMagic {
		return wrong("it is not what ssh-keygen -O write-attestation=FILE writes, %s", attestationMagic)
	}
	cert, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return wrong("its certificate: %w", err)
	}
	if err := trusted(cert, roots, now); err != nil {
		return wrong("%w", err)
	}
	data, err := byteString(a.AuthData)
	if err != nil {
		return wrong("%w", err)
	}
	made, handle, err := readAuthData(key, data)
	if err != nil {
		return wrong("%w", err)
	}
	if err := checkModel(cert, made); err != nil {
		return wrong("%w", err)
	}
	if err := checkMaker(cert, key, data, handle, challenge, a.Signature); err != nil {
		return wrong("%w", err)
	}
	return Made{Model: model(made), By: cert.Subject.String(), Issuer: cert.Issuer.String()}, nil
}

// trusted checks that one of the roots stands for the certificate, which is nobody's but a key's: a CA could make keys of its own.
func trusted(cert *x509.Certificate, roots *x509.CertPool, now time.Time) error {
	if cert.IsCA {
		return errors.New("its certificate is a CA's")
	}
	if roots == nil { // to x509 these would be the system's: whoever has a web site
		return errors.New("no root certificate is given")
	}
	// Makers mark the extensions with which they say what a key can do as they like.
	cert.UnhandledCriticalExtensions = nil
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return fmt.Errorf("its certificate, of %q, %w: %w", cert.Subject, ErrRoot, err)
	}
	return nil
}

// byteString reads the CBOR byte string (RFC 8949 section 3.1, major type 2) that data is.
func byteString(data []byte) ([]byte, error) {
	const text, one, two = 0x40, 0x58, 0x59
	var length, header int
	switch {
	case len(data) > 0 && data[0] >= text && data[0] < one:
		length, header = int(data[0]-text), 1
	case len(data) > 1 && data[0] == one:
		length, header = int(data[1]), 2
	case len(data) > 2 && data[0] == two:
		length, header = int(binary.BigEndian.Uint16(data[1:])), 3
	}
	if header == 0 || len(data) != header+length {
		return nil, errors.New("its authenticator data is malformed")
	}
	return data[header:], nil
}

// readAuthData checks that authenticator data (WebAuthn level 2 section 6.1) tells of the making of key, by a touch. It returns the
// AAGUID and the key's handle.
func readAuthData(key ssh.PublicKey, data []byte) (aaguid, handle []byte, err error) {
	cose, application, err := coseOf(key)
	if err != nil {
		return nil, nil, err
	}
	if len(data) < authHeader+keyHeader {
		return nil, nil, errors.New("its authenticator data is too short")
	}
	id := sha256.Sum256([]byte(application))
	flags, rest := data[32], data[authHeader:]
	switch {
	case !bytes.Equal(data[:32], id[:]):
		return nil, nil, fmt.Errorf("it is for another application than %q", application)
	case flags&flagPresent == 0:
		return nil, nil, errors.New("the key was made without a touch")
	case flags&flagAttested == 0:
		return nil, nil, errors.New("it attests no key")
	}
	aaguid, length, rest := rest[:16], int(binary.BigEndian.Uint16(rest[16:])), rest[keyHeader:]
	if len(rest) < length {
		return nil, nil, errors.New("its authenticator data is too short")
	}
	handle, rest = rest[:length], rest[length:]
	after, ok := bytes.CutPrefix(rest, cose)
	if !ok || len(after) > 0 && flags&flagExtensions == 0 {
		return nil, nil, errors.New("it attests another key")
	}
	return aaguid, handle, nil
}

// coseOf is a key as authenticators write it: a COSE_Key (RFC 9053 section 7) in CTAP2's canonical CBOR (CTAP 2.1 section 8), of
// which there is one form for each key.
func coseOf(key ssh.PublicKey) (cose []byte, application string, err error) {
	if key.Type() == ssh.KeyAlgoSKED25519 {
		var k struct {
			Type        string
			Key         []byte
			Application string
		}
		if err := ssh.Unmarshal(key.Marshal(), &k); err != nil {
			return nil, "", err
		}
		// {1: 1 (OKP), 3: -8 (EdDSA), -1: 6 (Ed25519), -2: X}
		return append([]byte{0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20}, k.Key...), k.Application, nil
	}
	point, application, err := pointOf(key)
	if err != nil {
		return nil, "", err
	}
	// {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: X, -3: Y}
	cose = append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...)
	return append(append(cose, 0x22, 0x58, 0x20), point[33:]...), application, nil
}

// pointOf is the uncompressed point of an ECDSA security key (SEC 1 section 2.3.3).
func pointOf(key ssh.PublicKey) (point []byte, application string, err error) {
	var k struct {
		Type, Curve string
		Point       []byte
		Application string
	}
	if err := ssh.Unmarshal(key.Marshal(), &k); err != nil {
		return nil, "", err
	}
	if len(k.Point) != 65 || k.Point[0] != 4 {
		return nil, "", errors.New("the key is malformed")
	}
	return k.Point, k.Application, nil
}

// aaguidExtension holds the AAGUID for which a certificate is good (WebAuthn level 2 section 8.2.1).
var aaguidExtension = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// checkModel checks that the certificate is for the make and model that the key says it is of.
func checkModel(cert *x509.Certificate, aaguid []byte) error {
	for _, e := range cert.Extensions {
		if !e.Id.Equal(aaguidExtension) {
			continue
		}
		var of []byte
		if rest, err := asn1.Unmarshal(e.Value, &of); err != nil || len(rest) > 0 || !bytes.Equal(of, aaguid) {
			return errors.New("its certificate is for another model")
		}
	}
	return nil
}

// checkMaker checks the signature of the certificate's key, in one of the two forms that ssh-keygen does not tell apart: packed
// (WebAuthn level 2 section 8.2) and, of older ECDSA keys, fido-u2f (section 8.6).
func checkMaker(cert *x509.Certificate, key ssh.PublicKey, data, handle, challenge, signature []byte) error {
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return errors.New("its certificate has no P-256 key")
	}
	client := sha256.Sum256(challenge)
	packed := sha256.Sum256(append(bytes.Clone(data), client[:]...))
	if ecdsa.VerifyASN1(public, packed[:], signature) {
		return nil
	}
	if key.Type() == ssh.KeyAlgoSKECDSA256 {
		point, _, err := pointOf(key)
		if err != nil {
			return err
		}
		u2f := sha256.Sum256(bytes.Join([][]byte{{0}, data[:32], client[:], handle, point}, nil))
		if ecdsa.VerifyASN1(public, u2f[:], signature) {
			return nil
		}
	}
	return errors.New("its maker has not signed this key with this challenge")
}

// model writes an AAGUID, which is all zeroes for what has none.
func model(aaguid []byte) string {
	if bytes.Equal(aaguid, make([]byte, 16)) {
		return ""
	}
	return hex.EncodeToString(aaguid)
}
