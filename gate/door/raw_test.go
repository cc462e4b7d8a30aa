package door_test

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// rawClient is an SSH client that says what a test tells it to, in any order. Well-behaved libraries cannot change the user
// name half-way, or ask for what makes no sense. One key exchange, one cipher, no check of the host key.
type rawClient struct {
	t         *testing.T
	conn      net.Conn
	reader    *bufio.Reader
	theirs    string // the server's version
	sessionID []byte
	out, in   *gcm
}

type gcm struct {
	aead  cipher.AEAD
	nonce [12]byte
}

func dialRaw(t *testing.T, address string) *rawClient {
	t.Helper()
	r := connectRaw(t, address)
	r.exchangeKeys()
	r.send(ssh.Marshal(struct {
		Service string `sshtype:"5"`
	}{"ssh-userauth"}))
	r.expect(6)
	return r
}

// rawVersion is what a rawClient calls itself.
const rawVersion = "SSH-2.0-raw"

// connectRaw gets as far as the versions.
func connectRaw(t *testing.T, address string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &rawClient{t: t, conn: conn, reader: bufio.NewReader(conn)}
	fmt.Fprintf(conn, "%s\r\n", rawVersion)
	if r.theirs, err = r.reader.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rawClient) exchangeKeys() {
	ourInit := r.kexInit()
	r.send(ourInit)
	theirInit := r.expect(20)

	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	ourKey := private.PublicKey().Bytes()
	r.send(ssh.Marshal(struct {
		Key []byte `sshtype:"30"`
	}{ourKey}))
	var reply struct {
		HostKey, Key, Signature []byte `sshtype:"31"`
	}
	if err := ssh.Unmarshal(r.expect(31), &reply); err != nil {
		r.t.Fatal(err)
	}
	theirKey, err := ecdh.X25519().NewPublicKey(reply.Key)
	if err != nil {
		r.t.Fatal(err)
	}
	shared, err := private.ECDH(theirKey)
	if err != nil {
		r.t.Fatal(err)
	}
	secret := ssh.Marshal(struct{ K *big.Int }{new(big.Int).SetBytes(shared)})
	hash := sha256.Sum256(append(ssh.Marshal(struct {
		OurVersion, TheirVersion              string
		OurInit, TheirInit, Host, Ours, Their []byte
	}{rawVersion, strings.TrimRight(r.theirs, "\r\n"), ourInit, theirInit, reply.HostKey, ourKey, reply.Key}), secret...))
	r.sessionID = hash[:]
	r.send([]byte{21})
	r.expect(21)
	derive := func(letter byte) []byte {
		b := append(append(append(append([]byte{}, secret...), hash[:]...), letter), hash[:]...)
		sum := sha256.Sum256(b)
		return sum[:]
	}
	r.out, r.in = newGCM(r.t, derive('A'), derive('C')), newGCM(r.t, derive('B'), derive('D'))
}

// kexInit offers one algorithm of each kind (RFC 4253, section 7.1).
func (r *rawClient) kexInit() []byte {
	lists := [][]string{
		{"curve25519-sha256"}, {"ssh-ed25519"}, {"aes128-gcm@openssh.com"}, {"aes128-gcm@openssh.com"},
		{"hmac-sha2-256-etm@openssh.com"}, {"hmac-sha2-256-etm@openssh.com"}, {"none"}, {"none"}, {}, {},
	}
	init := append([]byte{20}, make([]byte, 16)...)
	for _, l := range lists {
		init = append(init, ssh.Marshal(struct{ S string }{strings.Join(l, ",")})...)
	}
	return append(init, 0, 0, 0, 0, 0)
}

func newGCM(t *testing.T, iv, key []byte) *gcm {
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return &gcm{aead, [12]byte(iv[:12])}
}

func (g *gcm) next() []byte {
	nonce := g.nonce
	binary.BigEndian.PutUint64(g.nonce[4:], binary.BigEndian.Uint64(g.nonce[4:])+1)
	return nonce[:]
}

func (r *rawClient) send(payload []byte) {
	r.t.Helper()
	if err := r.trySend(payload); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rawClient) trySend(payload []byte) error {
	padding := 16 - (len(payload)+1)%16
	if r.out == nil {
		padding = 16 - (len(payload)+5)%16
	}
	if padding < 4 {
		padding += 16
	}
	body := append(append([]byte{byte(padding)}, payload...), make([]byte, padding)...)
	packet := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	if r.out == nil {
		packet = append(packet, body...)
	} else {
		packet = r.out.aead.Seal(packet, r.out.next(), body, packet)
	}
	_, err := r.conn.Write(packet)
	return err
}

func (r *rawClient) read() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r.reader, length[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	if r.in != nil {
		body = append(body, make([]byte, 16)...)
	}
	if _, err := io.ReadFull(r.reader, body); err != nil {
		return nil, err
	}
	if r.in != nil {
		var err error
		if body, err = r.in.aead.Open(nil, r.in.next(), body, length[:]); err != nil {
			return nil, err
		}
	}
	return body[1 : len(body)-int(body[0])], nil
}

// expect reads on to a message of the given kind. Extension info, banners and debug messages are skipped.
func (r *rawClient) expect(kinds ...byte) []byte {
	r.t.Helper()
	for {
		p, err := r.read()
		if err != nil {
			r.t.Fatalf("waiting for message %v: %v", kinds, err)
		}
		if strings.IndexByte(string(kinds), p[0]) >= 0 {
			return p
		}
		if p[0] != 7 && p[0] != 53 && p[0] != 4 {
			r.t.Fatalf("waiting for message %v: got %d (%q)", kinds, p[0], p)
		}
	}
}

type userauth struct {
	User      string `sshtype:"50"`
	Service   string
	Method    string
	Signed    bool
	Algorithm string
	Key       []byte
}

// offer asks whether a key would do, and tells whether the door said so.
func (r *rawClient) offer(user string, key ssh.PublicKey) bool {
	r.send(ssh.Marshal(userauth{user, "ssh-connection", "publickey", false, key.Type(), key.Marshal()}))
	return r.expect(51, 60)[0] == 60
}

// prove signs in with a key, and tells whether that did.
func (r *rawClient) prove(user string, signer, with ssh.Signer) bool {
	key := signer.PublicKey()
	request := ssh.Marshal(userauth{user, "ssh-connection", "publickey", true, key.Type(), key.Marshal()})
	signed := append(ssh.Marshal(struct{ ID []byte }{r.sessionID}), request...)
	sig, err := with.Sign(rand.Reader, signed)
	if err != nil {
		r.t.Fatal(err)
	}
	r.send(append(request, ssh.Marshal(struct{ S []byte }{ssh.Marshal(sig)})...))
	p, err := r.read()
	for err == nil && (p[0] == 7 || p[0] == 53) {
		p, err = r.read()
	}
	return err == nil && p[0] == 52
}

// open opens a session, the door's channel 0, with much of a window.
func (r *rawClient) open() {
	r.openWith(1<<20, 1<<15)
}

func (r *rawClient) openWith(window, packet uint32) {
	r.send(ssh.Marshal(struct {
		Kind            string `sshtype:"90"`
		ID, Window, Max uint32
	}{"session", 7, window, packet}))
	r.expect(91)
}

// request asks for something on the session, and waits for no answer.
func (r *rawClient) request(kind string, payload []byte) {
	r.send(ssh.Marshal(struct {
		ID        uint32 `sshtype:"98"`
		Request   string
		WantReply bool
		Payload   []byte `ssh:"rest"`
	}{0, kind, false, payload}))
}

// exec opens a session, runs a command and waits for its exit status.
func (r *rawClient) exec(command string) uint32 {
	r.open()
	r.send(ssh.Marshal(struct {
		ID        uint32 `sshtype:"98"`
		Request   string
		WantReply bool
		Command   string
	}{0, "exec", true, command}))
	for {
		p := r.expect(93, 94, 95, 96, 97, 98, 99)
		var m struct {
			ID        uint32 `sshtype:"98"`
			Request   string
			WantReply bool
			Rest      []byte `ssh:"rest"`
		}
		if p[0] == 98 && ssh.Unmarshal(p, &m) == nil && m.Request == "exit-status" {
			return binary.BigEndian.Uint32(m.Rest)
		}
		if p[0] == 97 {
			r.t.Fatal("the channel was closed without an exit status")
		}
	}
}
