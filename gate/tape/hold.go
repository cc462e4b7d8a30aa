package tape

import (
	"strings"
	"unicode/utf8"

	"forkgate/gate"
)

// maxHeld is how much of a line without an end is held back, so that what is to be redacted is seen whole; lastHeld is how much of it stays
// held when it is longer.
const maxHeld, lastHeld = 4 << 10, 1 << 10

// stream is what of a way to the client is not on the tape yet.
type stream struct {
	cut  []byte // the beginning of a character
	held string // a line that has no end yet, where something is to be redacted
}

// whole takes a piece, and returns what there is of whole characters.
func (s *stream) whole(p []byte) []byte {
	if len(s.cut) > 0 {
		p = append(s.cut, p...)
		s.cut = nil
	}
	whole := len(p) - incomplete(p)
	if whole < len(p) {
		s.cut = append([]byte(nil), p[whole:]...)
	}
	return p[:whole]
}

// release takes a text, and returns what of it and what was held can go on the tape: whole lines, as redacted.
func (s *stream) release(text string, all gate.Redactions) string {
	s.held += text
	end := strings.LastIndexByte(s.held, '\n') + 1
	if len(s.held)-end >= maxHeld {
		end = len(s.held) - lastHeld
		for !utf8.RuneStart(s.held[end]) {
			end--
		}
	}
	if end == 0 {
		return ""
	}
	spans := all.Spans(s.held)
	cut := len(spans) // those before it are shown, as far as they are
	for cut > 0 && spans[cut-1].To > end {
		cut--
		end = min(end, spans[cut].From)
	}
	if len(s.held)-end >= 2*maxHeld { // one match, however much comes
		cut, end = len(spans), len(s.held)
	}
	shown := hidden(gate.Hide(s.held[:end], spans[:cut]), all)
	s.held = s.held[end:]
	return shown
}

// hidden looks once more, at what is to be read. Where that shows what is to be redacted the text loses all that is not to be read.
func hidden(text string, all gate.Redactions) string {
	if read := plain(text); read != text && len(all.Spans(read)) > 0 {
		return all.Apply(read)
	}
	return text
}

// rest is what is left at the end.
func (s *stream) rest(all gate.Redactions) string {
	rest := hidden(all.Apply(s.held+string(s.cut)), all)
	s.held, s.cut = "", nil
	return rest
}
