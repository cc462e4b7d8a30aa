package warden

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
	"forkgate/tests/shape"
)

// exchange is a request and its answer.
type exchange struct{ request, reply any }

type nothing struct{}

// conversation is all that peers say, and hear.
func conversation() map[string]exchange {
	return map[string]exchange{
		client.TypeHostKeys: {nothing{}, client.HostKeysReply{}}, client.TypeSign: {client.SignRequest{}, client.SignReply{}},
		client.TypeIdentify: {client.IdentifyRequest{}, client.IdentifyReply{}}, client.TypeAssert: {client.AssertRequest{}, client.AssertReply{}},
		client.TypeAccount: {client.AccountRequest{}, client.AccountReply{}}, client.TypeTouch: {client.TouchRequest{}, nothing{}},
		client.TypeUntouched: {client.UntouchedRequest{}, nothing{}}, client.TypeOpen: {client.OpenRequest{}, client.OpenReply{}},
		client.TypeProve: {client.ProveRequest{}, client.SignReply{}}, client.TypeVerb: {client.VerbRequest{}, client.VerbReply{}}, client.TypeStruck: {client.StruckRequest{}, client.StruckReply{}},
		client.TypeEnded: {client.EndedRequest{}, client.EndedReply{}}, client.TypeUntaped: {client.UntapedRequest{}, nothing{}},
		client.TypeFiles: {client.FilesRequest{}, nothing{}}, client.TypeStrangers: {client.StrangersRequest{}, nothing{}},
		client.TypeDenied: {client.DeniedRequest{}, nothing{}}, client.TypeGiveUp: {client.GiveUp{}, nothing{}},
		client.TypeNotice: {nothing{}, client.Notice{}}, client.TypeProgress: {nothing{}, client.Progress{}},
		client.TypeRefused: {nothing{}, client.Refused{}}, client.TypeFailed: {nothing{}, client.Failed{}},
		wire.TypeVersions: {nothing{}, wire.Versions{}},
	}
}

// What gates and sessions of the version before say is understood, and what they hear is what they know. The operator's commands are of the same build as
// whoever types them: of those the first message alone has to be understood.
func TestWhatDoorsSayIsUnderstood(t *testing.T) {
	all, table := map[string]any{}, messages()
	for kind, one := range conversation() {
		all["asks "+kind], all["hears "+kind] = one.request, one.reply
	}

	for kind, row := range table {
		if _, said := conversation()[kind]; !said && row.from&^operator != 0 {
			t.Errorf("nothing keeps %q as it is", kind)
		}
	}
	shape.Check(t, "doors", wire.Doors(), all, func(name string, body json.RawMessage) error {
		way, kind, _ := strings.Cut(name, " ")
		if row, asked := table[kind]; asked && way == "asks" {
			_, err := row.read(wire.Message{Type: kind, Body: body})
			return err
		}
		one := conversation()[kind]
		if way == "hears" {
			return shape.Strictly(one.reply, body)
		}
		return nil
	})
}

// A peer of another version is told so before anything is done, and says what to do about it.
func TestAnotherVersion(t *testing.T) {
	h := newHost(t)
	h.start(t)
	for version, understood := range map[int]bool{0: true, wire.Doors().Newest: true, wire.Doors().Newest + 1: false, -1: true} {
		conn, err := wire.Dial(h.door)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Speak(wire.Protocol{Newest: version})
		if err := conn.Send(1, client.TypeHostKeys, struct{}{}); err != nil {
			t.Fatal(err)
		}
		m, _, err := conn.Receive()
		if err != nil || (m.Type == client.TypeHostKeys) != understood {
			t.Fatalf("version %d is answered by %q, %v", version, m.Type, err)
		}
		if understood {
			continue
		}
		if err := wire.Doors().Understood(m); !errors.Is(err, wire.ErrVersion) || !strings.Contains(err.Error(), "systemctl restart forkgate-warden") {
			t.Errorf("it says %v", err)
		}
		if _, _, err := conn.Receive(); err == nil {
			t.Error("it goes on")
		}
	}
}
