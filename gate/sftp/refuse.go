package sftp

import (
	"encoding/binary"
	"errors"
	"io"
)

// statusDenied is SSH_FX_PERMISSION_DENIED, section 7 of the draft.
const statusDenied = 3

// maxRefusals is how many requests are answered to one client: it has heard by then.
const maxRefusals = 64

// Refuse is the server of a client that may have nothing: it answers each request with a reason, which many clients show, and nothing
// else that they are told. It returns when the client has heard enough, or ends what it sends.
func Refuse(client io.ReadWriter, why string) error {
	var packets splitter
	buffer := make([]byte, 4096)
	for answered := 0; answered < maxRefusals; {
		n, err := client.Read(buffer)
		for came := buffer[:n]; len(came) > 0 && answered < maxRefusals; answered++ {
			packet, rest, err := packets.next(came)
			if err != nil {
				return err
			}
			came = rest
			if packet == nil {
				break
			}
			answer, err := refusal(packet, why)
			if err != nil {
				return err
			}
			if _, err := client.Write(answer); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// refusal is the answer to a packet, with its length before it.
func refusal(packet []byte, why string) ([]byte, error) {
	var body []byte
	switch {
	case packet[0] == typeInit:
		body = binary.BigEndian.AppendUint32([]byte{typeVersion}, 3)
	case len(packet) < 5:
		return nil, ErrMalformed
	default:
		body = append([]byte{typeStatus}, packet[1:5]...) // the request's id
		body = binary.BigEndian.AppendUint32(body, statusDenied)
		for _, text := range []string{why, "en"} {
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(text))), text...)
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...), nil
}
