package door

import (
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/cpu"
)

// What the door speaks. SHA-1, DSA, CBC and finite-field Diffie-Hellman are not on the lists; of what is, the client's order
// decides (RFC 4253, section 7.1).

func keyExchanges() []string {
	return []string{
		ssh.KeyExchangeMLKEM768X25519,
		ssh.KeyExchangeCurve25519, // and its older name, curve25519-sha256@libssh.org
		ssh.KeyExchangeECDHP256,
		ssh.KeyExchangeECDHP384,
		ssh.KeyExchangeECDHP521,
	}
}

// ciphers has ChaCha20-Poly1305 only where the processor has no AES: stock clients prefer it, and without it they get two to
// three times the throughput.
func ciphers() []string {
	list := []string{
		ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR,
	}
	if !hasAES() {
		list = append([]string{ssh.CipherChaCha20Poly1305}, list...)
	}
	return list
}

func hasAES() bool {
	return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL || cpu.S390X.HasAESGCM
}

// macs ends with one that authenticates what is encrypted and not the ciphertext (RFC 6668): dropbear, and libssh2 before 1.11, which is
// curl's on Debian 12, know nothing better. Clients that do put it first.
func macs() []string { return []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256} }

// userKeys are the algorithms with which a caller may sign. "ssh-rsa", which signs SHA-1, and DSA are missing on purpose.
func userKeys() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
}

// isHostKeyType tells which host keys the door offers.
func isHostKeyType(t string) bool {
	switch t {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return true
	}
	return false
}
