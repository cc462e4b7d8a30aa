package door

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"log/slog"

	"forkgate/gate/tape"
	"forkgate/gate/warden/client"
)

// What is not on the tape of a session that has to be recorded nobody has seen, and it ends; another one goes on without.
func TestARecordingThatFails(t *testing.T) {
	for _, required := range []bool{true, false} {
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var failed error
		var seen bytes.Buffer
		s := &session{log: slog.New(slog.DiscardHandler)}
		r := s.record(&client.Tape{File: file, Required: required, Terms: tape.Terms{Limit: 100}}, func(err error) { failed = err })
		var told []string
		r.tell = func(err error) { told = append(told, whyUntaped(err)) }
		out := r.stream(tape.Output, &seen)
		for _, piece := range []string{"first", string(make([]byte, 100)), "third"} {
			_, err = out.Write([]byte(piece))
		}
		r.resize(80, 24)
		r.close()
		if len(told) != 1 || told[0] != "the recording is as long as it may get" {
			t.Errorf("the warden is told %q", told)
		}
		if required {
			if !errors.Is(failed, errTape) || !errors.Is(err, tape.ErrFull) || seen.String() != "first" {
				t.Errorf("required: %v, %v, %q", failed, err, seen.String())
			}
		} else if failed != nil || err != nil || seen.Len() != len("first")+100+len("third") {
			t.Errorf("best effort: %v, %v, %q", failed, err, seen.String())
		}
	}
}

func TestNothingIsRecorded(t *testing.T) {
	var seen bytes.Buffer
	r := (&session{}).record(nil, nil)
	if _, err := r.stream(tape.Output, &seen).Write([]byte("x")); err != nil || seen.String() != "x" {
		t.Errorf("%q, %v", seen.String(), err)
	}
	r.resize(1, 2)
	r.close()
}
