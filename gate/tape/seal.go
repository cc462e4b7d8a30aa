package tape

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// ErrSealed says that a recording is encrypted, and that none of the keys at hand opens it.
var ErrSealed = errors.New("the recording is encrypted, and no key at hand opens it")

// maxPiece bounds an encrypted piece: a line, and what is around it.
const maxPiece = maxLine + 1<<10

// keySize is how many bytes a recording's key has.
const keySize = 32

// seal encrypts a recording line by line. Behind its first line stands a file of age (https://age-encryption.org/v1) with a key of its own, and
// then the header and each event under that key, by AES-256-GCM (NIST SP 800-38D) with the number of the piece as nonce; each with its
// length before it (4 bytes, big-endian). One stream of age over all of it would keep up to 64 KiB back, and a file of age for each line
// takes as long as forty lines do. What is changed, left out or put elsewhere is noticed, and what is cut off at the end is not. Processors
// have AES built in: ChaCha20-Poly1305, which age itself takes, costs two and a half times as much.
type seal struct {
	aead   cipher.AEAD
	number uint64
	out    []byte // of the last piece
}

func newSeal(key []byte) (*seal, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("cannot encrypt a recording: its key has %d bytes, not %d", len(key), keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cannot encrypt a recording: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("cannot encrypt a recording: %w", err)
	}
	return &seal{aead: aead}, nil
}

func (s *seal) nonce() []byte {
	nonce := make([]byte, s.aead.NonceSize())
	binary.BigEndian.PutUint64(nonce[4:], s.number)
	s.number++
	return nonce
}

// piece encrypts a line. What it returns is good until the next.
func (s *seal) piece(line []byte) []byte {
	s.out = withLength(s.aead.Seal(append(s.out[:0], 0, 0, 0, 0), s.nonce(), line, nil))
	return s.out
}

func withLength(piece []byte) []byte {
	binary.BigEndian.PutUint32(piece, uint32(len(piece)-4))
	return piece
}

// newKey makes a recording's key, and the piece that has it for recipients.
func newKey(recipients []string) (key, piece []byte, err error) {
	key = make([]byte, keySize)
	_, _ = rand.Read(key) // which never fails
	var to []age.Recipient
	for _, one := range recipients {
		parsed, err := age.ParseRecipients(strings.NewReader(one))
		if err != nil {
			return nil, nil, fmt.Errorf("cannot encrypt a recording to %.100q: %w", one, err)
		}
		to = append(to, parsed...)
	}
	out := bytes.NewBuffer(make([]byte, 4))
	w, err := age.Encrypt(out, to...)
	if err == nil {
		_, err = w.Write(key)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot encrypt a recording: %w", err)
	}
	return key, withLength(out.Bytes()), nil
}

// pieces reads encrypted pieces as the lines that they are. At half a piece, which is where a recording broke off, it ends.
type pieces struct {
	from io.Reader
	keys []age.Identity
	seal *seal  // nil until the key has been read
	rest []byte // of the line that is being read
}

func (p *pieces) Read(to []byte) (int, error) {
	for len(p.rest) == 0 {
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	n := copy(to, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pieces) next() error {
	if len(p.keys) == 0 {
		return ErrSealed
	}
	piece, err := p.piece()
	if err != nil {
		return err
	}
	if p.seal == nil {
		p.seal, err = unlock(piece, p.keys)
		return err
	}
	if p.rest, err = p.seal.aead.Open(nil, p.seal.nonce(), piece, nil); err != nil {
		return fmt.Errorf("piece %d of the recording is not what was written: %w", p.seal.number, err)
	}
	return nil
}

func (p *pieces) piece() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(p.from, length[:]); err != nil {
		return nil, ended(err)
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxPiece {
		return nil, fmt.Errorf("a piece of the recording claims to have %d bytes", n)
	}
	piece := make([]byte, n)
	_, err := io.ReadFull(p.from, piece)
	return piece, ended(err)
}

// unlock reads the recording's key.
func unlock(piece []byte, keys []age.Identity) (*seal, error) {
	locked, err := age.Decrypt(bytes.NewReader(piece), keys...)
	var strange *age.NoIdentityMatchError
	if errors.As(err, &strange) {
		return nil, ErrSealed
	}
	if err != nil {
		return nil, err
	}
	key, err := io.ReadAll(io.LimitReader(locked, keySize+1))
	if err != nil {
		return nil, err
	}
	return newSeal(key)
}

func ended(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}
