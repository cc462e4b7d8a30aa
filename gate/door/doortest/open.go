package doortest

import (
	"fmt"
	"os"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/nsjail/wire"
)

func (w *Warden) open(who *asserted, m wire.Message) (any, []*os.File, error) {
	var q client.OpenRequest
	if err := m.Decode(&q); err != nil {
		return nil, nil, err
	}
	w.note(func(s *Seen) { s.Opened = append(s.Opened, q) })
	if !who.done {
		return nil, nil, fmt.Errorf("nobody was asserted")
	}
	if w.Judge != nil {
		if err := w.Judge(who.AssertRequest, q); err != nil {
			return nil, nil, err
		}
	}
	reply := client.OpenReply{Session: "fake-session"}
	if q.AgentForward && w.AgentSocket == "" {
		reply.Said = "no ssh-agent here"
	}
	var agent []*os.File
	if q.AgentForward && w.AgentSocket != "" { // before the command, which asks it at once
		offered, err := w.offer("unix", w.AgentSocket)
		if err != nil {
			return nil, nil, err
		}
		reply.Agent, agent = true, []*os.File{offered}
	}
	files, err := w.run(q)
	files = append(files, agent...)
	if err != nil || w.Record == "" {
		return reply, files, err
	}
	reply.Record, reply.Terms = w.Record, w.Terms
	file, err := os.OpenFile(w.Tape, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	return reply, append(files, file), err
}

func (w *Warden) files(m wire.Message) (any, []*os.File, error) {
	var q client.FilesRequest
	if err := m.Decode(&q); err != nil {
		return nil, nil, err
	}
	w.note(func(s *Seen) { s.Files = append(s.Files, q) })
	return struct{}{}, nil, nil
}

func (w *Warden) verb(who *asserted, m wire.Message) (any, []*os.File, error) {
	var q client.VerbRequest
	if err := m.Decode(&q); err != nil {
		return nil, nil, err
	}
	w.note(func(s *Seen) { s.Verbs = append(s.Verbs, q) })
	if w.Verb == nil {
		return nil, nil, &gate.Refusal{Reason: "no control words here"}
	}
	text, err := w.Verb(who.AssertRequest, q)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.CreateTemp(w.t.TempDir(), "verb")
	if err != nil {
		return nil, nil, err
	}
	if _, err := f.Write(text); err != nil {
		return nil, nil, err
	}
	_, err = f.Seek(0, 0)
	return client.VerbReply{}, []*os.File{f}, err
}
