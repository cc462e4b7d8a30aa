package door

import (
	"fmt"
	"strings"

	"forkgate/gate"
)

const (
	maxWords     = 64
	maxWordBytes = 8 << 10 // of the whole line
)

// splitWords splits a line into words by the quoting rules of the POSIX shell (XCU 2.2), and refuses what only a shell could
// do: a line that means more than its words is not what its writer thinks it is. Its errors are refusals.
func splitWords(line string) ([]string, error) {
	if len(line) > maxWordBytes {
		return nil, malformed("longer than %d bytes", maxWordBytes)
	}
	s := splitter{rest: line}
	for s.rest != "" {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	s.finish()
	if len(s.words) > maxWords {
		return nil, malformed("more than %d words", maxWords)
	}
	return s.words, nil
}

type splitter struct {
	rest   string
	words  []string
	word   strings.Builder
	inWord bool
}

// step takes in one character, or one quoted part.
func (s *splitter) step() error {
	c := s.rest[0]
	s.rest = s.rest[1:]
	switch {
	case c == ' ' || c == '\t':
		s.finish()
		return nil
	case c == '\'':
		return s.singleQuoted()
	case c == '"':
		return s.doubleQuoted()
	case c == '\\':
		return s.escaped()
	case c < ' ' || c == 0x7f:
		return malformed("it has a control character")
	case strings.IndexByte("|&;<>()$`", c) >= 0:
		return malformed("%c means something to a shell only", c)
	}
	s.put(c)
	return nil
}

func (s *splitter) put(c byte) {
	s.inWord = true
	s.word.WriteByte(c)
}

func (s *splitter) finish() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord = false
}

func (s *splitter) singleQuoted() error {
	quoted, rest, ok := strings.Cut(s.rest, "'")
	if !ok {
		return malformed("a quote is not closed")
	}
	s.inWord, s.rest = true, rest
	s.word.WriteString(quoted)
	return nil
}

func (s *splitter) doubleQuoted() error {
	s.inWord = true
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			return nil
		case c == '$' || c == '`':
			return malformed("%c means something to a shell only", c)
		case c == '\\' && s.rest != "" && strings.IndexByte("$`\"\\", s.rest[0]) >= 0:
			c, s.rest = s.rest[0], s.rest[1:]
		}
		s.put(c)
	}
	return malformed("a quote is not closed")
}

func (s *splitter) escaped() error {
	if s.rest == "" {
		return malformed("nothing follows the last backslash")
	}
	s.put(s.rest[0])
	s.rest = s.rest[1:]
	return nil
}

func malformed(format string, args ...any) error {
	return &gate.Refusal{
		Reason: "the line cannot be read: " + fmt.Sprintf(format, args...),
		Hint:   "ssh " + gate.ControlUser + "@host help",
	}
}
