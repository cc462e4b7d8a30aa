package warden

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"forkgate/gate"
	"forkgate/gate/audit"
	"forkgate/gate/warden/client"
)

const secret = "sk_live_abc"

// What policy redacts stands in no line of the record, of whatever kind: each method is asked, those as well that come later.
func TestTheRecordIsDiscreet(t *testing.T) {
	hide := gate.Redactions{{Name: "key", Pattern: regexp.MustCompile(`sk_live_[a-z]+`)}}
	for _, hidden := range []bool{true, false} {
		var log overheard
		d := discreet{&log, func() gate.Redactions {
			if hidden {
				return hide
			}
			return nil
		}}
		record := reflect.TypeFor[Record]()
		for i := range record.NumMethod() {
			m := record.Method(i)
			var args []reflect.Value
			for j := range m.Type.NumIn() {
				switch m.Type.In(j) {
				case reflect.TypeFor[gate.Request]():
					args = append(args, reflect.ValueOf(gate.Request{Command: "pay " + secret}))
				case reflect.TypeFor[gate.Decision]():
					args = append(args, reflect.ValueOf(gate.Decision{Reason: "no " + secret}))
				case reflect.TypeFor[string]():
					args = append(args, reflect.ValueOf("word "+secret))
				case reflect.TypeFor[gate.FileOperation]():
					args = append(args, reflect.ValueOf(gate.FileOperation{Path: []byte("a/" + secret), To: []byte(secret)}))
				case reflect.TypeFor[audit.Login]():
					args = append(args, reflect.ValueOf(audit.Login{Account: secret, From: secret, Terminal: secret, Service: secret, Why: secret}))
				default:
					args = append(args, reflect.Zero(m.Type.In(j)))
				}
			}
			if m.Name == "Service" || m.Name == "State" || m.Name == "Settle" { // of the warden itself
				continue
			}
			if m.Name != "Egress" { // of no session
				args[0] = reflect.ValueOf("session")
			}
			log = overheard{}
			reflect.ValueOf(d).MethodByName(m.Name).Call(args)
			if said := fmt.Sprint(log); len(log) == 0 || strings.Contains(said, secret) == hidden {
				t.Errorf("%s, hidden %v: %s", m.Name, hidden, said)
			}
		}
	}
}

// overheard is what a record was told.
type overheard []any

func (o *overheard) hear(said ...any) error { *o = append(*o, said...); return nil }

func (o *overheard) Decision(_ string, r gate.Request, d gate.Decision) error {
	return o.hear(r.Command, d.Reason)
}
func (o *overheard) Verb(_ string, r gate.Request) error { return o.hear(r.Command) }
func (o *overheard) Refused(_ string, r gate.Request, why string) error {
	return o.hear(r.Command, why)
}
func (o *overheard) Grant(_ string, r gate.Request, what string) error {
	return o.hear(r.Command, what)
}
func (o *overheard) Started(_ string, r gate.Request) error { return o.hear(r.Command) }
func (o *overheard) Revoked(_ string, r gate.Request, d gate.Decision) error {
	return o.hear(r.Command, d.Reason)
}
func (o *overheard) Ended(_ string, r gate.Request, _ audit.End) error { return o.hear(r.Command) }
func (o *overheard) File(_ string, r gate.Request, op gate.FileOperation) error {
	return o.hear(r.Command, string(op.Path), string(op.To))
}
func (o *overheard) Files(_ string, r gate.Request, _ int) { _ = o.hear(r.Command) }
func (o *overheard) Unfollowed(_ string, r gate.Request, why string) error {
	return o.hear(r.Command, why)
}
func (o *overheard) Untaped(_ string, r gate.Request, why string) error {
	return o.hear(r.Command, why)
}
func (o *overheard) Egress(_ gate.Request, host string, _ uint16, why string, _ int) error {
	return o.hear(host, why)
}
func (o *overheard) Login(_ string, who audit.Login) error { return o.hear(who) }
func (o *overheard) Service(what string) error             { return o.hear(what) }
func (o *overheard) State() audit.State                    { return audit.State{} }
func (o *overheard) Settle() error                         { return nil }

// Nor is it shown by sessions, to whoever may end one.
func TestSessionsAreListedDiscreetly(t *testing.T) {
	h := newHost(t)
	h.more(t, "redact \"key\" {\n  pattern = \"sk_live_[a-z]+\"\n}\n")
	h.start(t)
	s, err := h.connect(t, "demo", h.alice).Open(t.Context(), client.OpenRequest{Op: "exec", Command: []byte("pay --key " + secret + " now")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	text, err := h.connect(t, "gate", h.alice).Verb(t.Context(), client.VerbRequest{Words: say("sessions"), Alone: true})
	if err != nil || strings.Contains(string(text), secret) || !strings.Contains(string(text), "pay --key [redacted:key] now") {
		t.Errorf("%v: %s", err, text)
	}
}
