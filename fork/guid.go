package fork

import (
	"crypto/rand"
	"fmt"
	"regexp"
)

// newGUID returns a random UUID (RFC 9562, version 4).
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

var (
	guidForm   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func isGUID(s string) bool   { return guidForm.MatchString(s) }
func isDigest(s string) bool { return digestForm.MatchString(s) }

// tagLetters leaves out what people misread: 0 and o, 1, i and l.
const tagLetters = "23456789abcdefghjkmnpqrstuvwxyz"

// FreshTag makes up a short tag that no fork of repo has, like agent-7f3k.
func (s *Store) FreshTag(repo string) string {
	for {
		var b [4]byte
		_, _ = rand.Read(b[:])
		for i := range b {
			b[i] = tagLetters[int(b[i])%len(tagLetters)]
		}
		tag := "agent-" + string(b[:])
		if !s.registry.taken(repo, tag) {
			return tag
		}
	}
}
