package keys

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/pem"
	"testing"

	"golang.org/x/crypto/ssh"
)

// SSHSIG is a signer's armored signature over message, as ssh-keygen -Y sign -n namespace writes it (OpenSSH PROTOCOL.sshsig).
func SSHSIG(t testing.TB, signer ssh.Signer, namespace string, message []byte) []byte {
	t.Helper()
	const magic, algorithm = "SSHSIG", "sha512"
	digest := sha512.Sum512(message)
	signed := append([]byte(magic), ssh.Marshal(struct {
		Namespace, Reserved, Hash string
		Digest                    []byte
	}{namespace, "", algorithm, digest[:]})...)
	signature, err := signer.Sign(rand.Reader, signed)
	if err != nil {
		t.Fatal(err)
	}
	blob := append([]byte(magic), ssh.Marshal(struct {
		Version                   uint32
		Key                       []byte
		Namespace, Reserved, Hash string
		Signature                 []byte
	}{1, signer.PublicKey().Marshal(), namespace, "", algorithm, ssh.Marshal(signature)})...)
	return pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: blob})
}
