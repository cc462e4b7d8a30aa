package presence

import (
	"golang.org/x/crypto/ssh"
)

// userauth is what a client signs to authenticate by a key (RFC 4252 section 7).
type userauth struct {
	SessionID []byte
	Message   byte
	User      string
	Service   string
	Method    string
	Signed    bool
	Algorithm string
	Key       []byte
}

// messageUserauth is SSH_MSG_USERAUTH_REQUEST (RFC 4252 section 6).
const messageUserauth = 50

// VerifyUserauth checks that a touched security key has signed the authentication request of user on the connection with that
// session id. signature is in SSH wire format, with the flags in it. What was signed is put together here and not taken from
// whoever hands over the signature, so that there is nothing in it to be lied about. A certificate is not a security key, whatever
// it certifies: it could say no-touch-required.
func VerifyUserauth(key ssh.PublicKey, sessionID, user, signature []byte) (Proof, error) {
	if !IsSecurityKey(key) {
		return Proof{}, ErrNoSecurityKey
	}
	return verify(key, ssh.Marshal(userauth{
		SessionID: sessionID, Message: messageUserauth, User: string(user), Service: "ssh-connection", Method: "publickey",
		Signed: true, Algorithm: key.Type(), Key: key.Marshal(),
	}), signature)
}
