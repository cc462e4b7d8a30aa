package door

import (
	"bytes"
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/ssh"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

// maxTerm is the longest name of a terminal type.
const maxTerm = 256

// The payloads of channel requests (RFC 4254, section 6). Each parser returns false for what is malformed.

func parseEnv(payload []byte) (name, value []byte, ok bool) {
	var m struct{ Name, Value []byte }
	err := ssh.Unmarshal(payload, &m)
	malformed := len(m.Name) == 0 || bytes.ContainsAny(m.Name, "=\x00") || bytes.ContainsRune(m.Value, 0)
	return m.Name, m.Value, err == nil && !malformed
}

func parsePty(payload []byte) (*client.Terminal, bool) {
	var m struct {
		Term                         []byte
		Columns, Rows, Width, Height uint32
		Modes                        []byte
	}
	if ssh.Unmarshal(payload, &m) != nil || len(m.Term) > maxTerm || bytes.ContainsRune(m.Term, 0) {
		return nil, false
	}
	modes, ok := parseModes(m.Modes)
	if !ok {
		return nil, false
	}
	return &client.Terminal{
		Term: m.Term, Columns: m.Columns, Rows: m.Rows, Width: m.Width, Height: m.Height, Modes: modes,
	}, true
}

// parseModes reads encoded terminal modes (RFC 4254, section 8): pairs of an opcode and a number, up to opcode 0. Opcodes
// from 160 on are not defined, so nobody knows what follows one of them.
func parseModes(b []byte) (map[uint8]uint32, bool) {
	modes := map[uint8]uint32{}
	for len(b) > 0 && b[0] != 0 && b[0] < 160 {
		if len(b) < 5 {
			return nil, false
		}
		modes[b[0]] = binary.BigEndian.Uint32(b[1:])
		b = b[5:]
	}
	return modes, true
}

func parseWindowChange(payload []byte) (wire.Resize, bool) {
	var m struct{ Columns, Rows, Width, Height uint32 }
	err := ssh.Unmarshal(payload, &m)
	return wire.Resize(m), err == nil
}

// signalNames are those of RFC 4254, section 6.10, and INFO, which OpenSSH adds.
func signalNames() []string {
	return []string{
		"ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2", "INFO",
	}
}

func parseSignal(payload []byte) (string, bool) {
	var m struct{ Name string }
	err := ssh.Unmarshal(payload, &m)
	return m.Name, err == nil && slices.Contains(signalNames(), m.Name)
}

func parseExec(payload []byte) (command []byte, ok bool) {
	var m struct{ Command []byte }
	err := ssh.Unmarshal(payload, &m)
	return m.Command, err == nil && !bytes.ContainsRune(m.Command, 0)
}

func parseSubsystem(payload []byte) (name string, ok bool) {
	var m struct{ Name string }
	err := ssh.Unmarshal(payload, &m)
	return m.Name, err == nil
}
