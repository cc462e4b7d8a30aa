package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// anchorEvery is how long lines wait for a signature.
const anchorEvery = time.Minute

// hash is a line's, without its newline.
func hash(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// anchored is what an anchor signs: its number, the hash of the line before it, and when.
func anchored(e *Entry) []byte {
	return fmt.Appendf(nil, "forkgate audit anchor 1\n%d\n%s\n%s\n", e.Seq, e.Prev, e.Time.Format(time.RFC3339Nano))
}

func (l *Log) sign(e *Entry) {
	e.Sign = base64.StdEncoding.EncodeToString(ed25519.Sign(l.key, anchored(e)))
	e.By = Fingerprint(l.key.Public().(ed25519.PublicKey))
}

func signedBy(key ed25519.PublicKey, e *Entry) bool {
	signature, err := base64.StdEncoding.DecodeString(e.Sign)
	return err == nil && ed25519.Verify(key, anchored(e), signature)
}

// Fingerprint names a key that signs anchors.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// openKey reads the signing key (PEM, PKCS #8, RFC 5958), or makes it.
func openKey(path string) (ed25519.PrivateKey, error) {
	if err := makeKey(path); err != nil {
		return nil, fmt.Errorf("cannot make the audit log's key: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the audit log's key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("cannot read the audit log's key: %s is no PEM file", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err == nil && !ok {
		err = errors.New("it is no ed25519 key")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the audit log's key %s: %w", path, err)
	}
	return key, nil
}

// makeKey makes a key where there is none, whole or not at all.
func makeKey(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return replace(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// replace puts a file in the place of another, on the disk before it is there.
func replace(path string, text []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// PublicKey reads the public half of the key that signs.
func PublicKey(path string) (ed25519.PublicKey, error) {
	if _, err := os.Lstat(path); err != nil {
		return nil, fmt.Errorf("cannot read the audit log's key: %w", err)
	}
	key, err := openKey(path)
	if err != nil {
		return nil, err
	}
	return key.Public().(ed25519.PublicKey), nil
}

// Anchor signs the chain's head, if there is anything new. The copy beside the log is of what is on the disk.
func (l *Log) Anchor() error {
	l.mu.Lock()
	if l.head.seq == l.anchored {
		l.mu.Unlock()
		return nil
	}
	e := Entry{Event: EventAnchor}
	err := l.appendLocked(&e)
	if err == nil {
		l.anchored, l.signed = e.Seq, e.Time
	}
	l.mu.Unlock()
	if err == nil {
		err = l.Settle()
	}
	if err != nil {
		return err
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	l.journal.Info(EventAnchor, "line", string(line))
	if l.syslog {
		if err := toSyslog(string(line)); err != nil {
			l.journal.Warn("an anchor is not in syslog", "error", err)
		}
	}
	if err := replace(l.copy, append(line, '\n')); err != nil {
		return fmt.Errorf("cannot copy the audit log's anchor: %w", err)
	}
	return nil
}

// readCopy reads an anchor that lies elsewhere than in the log.
func readCopy(path string) (e Entry, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	return e, err
}

// Keep signs the head every minute, and writes the sums of refusals, until ctx ends.
func (l *Log) Keep(ctx context.Context) {
	tick := time.NewTicker(anchorEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.sumUp()
		if err := l.Anchor(); err != nil {
			l.journal.Error("the audit log is not signed", "error", err)
		}
	}
}
