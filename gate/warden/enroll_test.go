package warden

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"forkgate/gate"
	"forkgate/gate/warden/client"
	"forkgate/tests/keys"
)

var challenge = bytes.Repeat([]byte("c"), 32)

// enrolment is one that is good.
func enrolment(key *keys.SecurityKey, maker *keys.Maker) client.KeyEnrollRequest {
	return client.KeyEnrollRequest{
		Name: "yubikey", Principal: "alice", Key: ssh.MarshalAuthorizedKey(key.PublicKey()),
		Attestation: maker.Attest(keys.AuthData(key), challenge), Challenge: challenge, Roots: maker.PEM(),
	}
}

func TestEnroll(t *testing.T) {
	h := newHost(t)
	h.start(t)
	maker, key := keys.NewMaker(t), keys.NewSecurityKey(t)
	c := dial(t, h.operator)
	made, err := c.KeyEnroll(t.Context(), enrolment(key, maker))
	if err != nil || !made.Enrolled || made.Fingerprint != ssh.FingerprintSHA256(key.PublicKey()) || !strings.Contains(made.By, "CN=keys") || made.At.IsZero() {
		t.Fatalf("%v, %+v", err, made)
	}
	all := h.log.all()
	if last := all[len(all)-1]; !strings.Contains(last, "key enroll yubikey --principal=alice: "+made.Fingerprint) {
		t.Errorf("the record says %q", last)
	}
	h.more(t, marked("other", "bob", keys.NewSecurityKey(t).PublicKey()))
	listed, err := c.KeyList(t.Context())
	if err != nil || len(listed) != 2 || listed[0] != made || listed[1].Name != "other" || listed[1].Enrolled || !listed[1].Known {
		t.Errorf("%v, %+v", err, listed)
	}
	if k, counts := h.securityKey(key.PublicKey()); !counts || !k.Enrolled || k.Principal != "alice" {
		t.Errorf("it counts: %t, %+v", counts, k)
	}
	if err := c.KeyRemove(t.Context(), "yubikey"); err != nil {
		t.Fatal(err)
	}
	if _, counts := h.securityKey(key.PublicKey()); counts {
		t.Error("removed, it counts")
	}
	for name, hint := range map[string]string{"yubikey": "forkgate key list", "other": "remove its block"} {
		refusal, ok := gate.AsRefusal(c.KeyRemove(t.Context(), name))
		if !ok || !strings.Contains(refusal.Hint, hint) {
			t.Errorf("removing %s: %+v", name, refusal)
		}
	}
}

// What is not attested is not enrolled, and what is wrong is said in one line.
func TestWhatIsNotEnrolled(t *testing.T) {
	h := newHost(t)
	h.start(t)
	maker, key, other := keys.NewMaker(t), keys.NewSecurityKey(t), keys.NewSecurityKey(t)
	c := dial(t, h.operator)
	for name, test := range map[string]struct {
		spoil        func(*client.KeyEnrollRequest)
		reason, hint string
	}{
		"no name":            {func(q *client.KeyEnrollRequest) { q.Name = "Alice's key" }, "no name for a security key", "choose another"},
		"a misspelt name":    {func(q *client.KeyEnrollRequest) { q.Principal = "alcie" }, `no principal "alcie"`, "did you mean alice?"},
		"nobody":             {func(q *client.KeyEnrollRequest) { q.Principal = "zoe-from-next-door" }, "no principal", "policy says which"},
		"a key like another": {func(q *client.KeyEnrollRequest) { q.Key = ssh.MarshalAuthorizedKey(keys.New(t).PublicKey()) }, "no public key of a security key", ".pub"},
		"no touch required": {func(q *client.KeyEnrollRequest) { q.Key = append([]byte("no-touch-required "), q.Key...) },
			"no public key of a security key", ".pub"},
		"another key":       {func(q *client.KeyEnrollRequest) { q.Key = ssh.MarshalAuthorizedKey(other.PublicKey()) }, "it attests another key", "write-attestation"},
		"another maker":     {func(q *client.KeyEnrollRequest) { q.Roots = keys.NewMaker(t).PEM() }, "leads to none of the roots", "--root takes"},
		"no roots":          {func(q *client.KeyEnrollRequest) { q.Roots = nil }, "no root certificate", "PEM"},
		"another challenge": {func(q *client.KeyEnrollRequest) { q.Challenge = bytes.Repeat([]byte("d"), 32) }, "with this challenge", "challenge"},
		"no challenge":      {func(q *client.KeyEnrollRequest) { q.Challenge = nil }, "0 bytes", "/dev/urandom"},
		"no attestation":    {func(q *client.KeyEnrollRequest) { q.Attestation = nil }, "write-attestation", ""},
	} {
		q := enrolment(key, maker)
		test.spoil(&q)
		_, err := c.KeyEnroll(t.Context(), q)
		refusal, ok := gate.AsRefusal(err)
		if !ok || !strings.Contains(refusal.Reason, test.reason) || !strings.Contains(refusal.Hint, test.hint) {
			t.Errorf("%s: %v, %+v", name, err, refusal)
		}
	}
	if n := len(h.enrolled.All()); n != 0 {
		t.Fatalf("%d are enrolled", n)
	}
	// The control, and then what is taken.
	if _, err := c.KeyEnroll(t.Context(), enrolment(key, maker)); err != nil {
		t.Fatal(err)
	}
	for reason, q := range map[string]client.KeyEnrollRequest{"has this name": enrolment(other, maker), "as yubikey": enrolment(key, maker)} {
		if reason == "as yubikey" {
			q.Name = "another"
		}
		if _, err := c.KeyEnroll(t.Context(), q); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

// A key whose signatures the door cannot find is enrolled, and ssh is not asked for it: its owner signs a text.
func TestECDSASignsAText(t *testing.T) {
	h, w := attested(t)
	h.more(t, wantsTouch)
	maker, old := keys.NewMaker(t), keys.NewSecurityKeyECDSA(t)
	made, err := dial(t, h.operator).KeyEnroll(t.Context(), enrolment(old, maker))
	if err != nil || made.Asked {
		t.Fatalf("%v, %+v", err, made)
	}
	c, _, reply := h.comes(t, w, statement(), "gate")
	known, err := c.Identify(t.Context(), client.IdentifyRequest{Key: old.PublicKey().Marshal(), Touch: true})
	if err != nil || known || reply.Touch || reply.Sign != "" {
		t.Errorf("it is asked for: %t, %+v, %v", known, reply, err)
	}
	if _, _, reply = h.comes(t, w, statement(), "demo"); !reply.Touch || !strings.HasPrefix(reply.Sign, "printf %s 'alice to demo at ") {
		t.Errorf("where a touch makes a difference: %+v", reply)
	}
	if k, counts := h.securityKey(old.PublicKey()); !counts || !k.Enrolled {
		t.Errorf("it counts for nothing: %+v", k)
	}
}

// Nobody but the operator enrolls.
func TestADoorEnrollsNothing(t *testing.T) {
	h := newHost(t)
	h.start(t)
	maker, key := keys.NewMaker(t), keys.NewSecurityKey(t)
	c := h.connect(t, "gate", h.alice)
	if _, err := c.KeyEnroll(t.Context(), enrolment(key, maker)); err == nil || len(h.enrolled.All()) != 0 {
		t.Errorf("a door enrolls: %v", err)
	}
	if _, err := dial(t, h.operator).KeyEnroll(t.Context(), enrolment(key, maker)); err != nil {
		t.Errorf("the control, the operator: %v", err)
	}
}
