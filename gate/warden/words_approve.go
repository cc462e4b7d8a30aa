package warden

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"forkgate/gate"
	"forkgate/gate/grants"
)

// findWaiting finds what waits, if the caller may approve it.
func (w *word) findWaiting(id string) (grants.Waiting, gate.Request, error) {
	if w.granter == nil {
		return grants.Waiting{}, w.asking, unknownGrant(id)
	}
	waiting, ok := w.granter.book.Waiting(id)
	if !ok {
		refusal := w.notWaiting(id)
		return waiting, w.asking, errors.Join(refusal, w.log.Decision(w.session, w.asking, gate.Decision{Reason: refusal.Reason}))
	}
	asking, err := w.may(viewWaiting(waiting))
	return waiting, asking, err
}

// notWaiting says why there is nothing to approve: whoever may see what has been approved already hears that.
func (w *word) notWaiting(id string) *gate.Refusal {
	grant, ok := w.granter.book.Grant(id)
	if !ok || !w.sees(viewGrant(grant)) {
		return unknownGrant(id)
	}
	if grant.Ending != "" {
		return &gate.Refusal{Reason: "grant " + id + " is being ended: " + grant.Ending, Hint: "ssh gate@host grants"}
	}
	return &gate.Refusal{Reason: "request " + id + " is granted already, by " + grant.Approver, Hint: "ssh gate@host grants " + id + " shows it, ssh gate@host revoke " + id + " ends it"}
}

// approve approves what a session waits for.
func approve(_ context.Context, w *word) (page, error) {
	waiting, asking, err := w.findWaiting(w.args[0])
	if err != nil {
		return page{}, err
	}
	said := ""
	if len(w.args) > 1 {
		said = w.args[1]
	}
	proof, err := w.granter.proof(w, asking.Caller, waiting, said)
	if refusal, refused := gate.AsRefusal(err); refused {
		return page{}, errors.Join(err, w.log.Grant(w.session, asking, "not approved: "+refusal.Reason))
	}
	if err != nil {
		return page{}, err
	}
	if err := w.log.Grant(w.session, asking, "approved, "+proof+": "+work(viewWaiting(waiting))); err != nil {
		return page{}, err
	}
	grant, err := w.granter.book.Approve(waiting.ID, asking.Caller.Principal, proof)
	if isUnknown(err) {
		err = w.notWaiting(waiting.ID)
	}
	if err != nil {
		return page{}, err
	}
	v := viewGrant(grant)
	return page{data: v, text: func(out io.Writer) {
		fmt.Fprintf(out, "%s may enter %s, until %s, %s: %s\n", callerOf(v), v.Ref, v.Until.Format(time.RFC3339), gate.Count(v.Uses, "session"), runs(v))
		for _, variable := range v.Env {
			fmt.Fprintf(out, "with %s\n", variable)
		}
		fmt.Fprintf(out, "%s revoke %s ends that before\n", w.typed(gate.ControlUser), v.ID)
	}}, nil
}

// printChallenge prints what there is to sign for who approves by a signature.
func printChallenge(_ context.Context, w *word) (page, error) {
	waiting, _, err := w.findWaiting(w.args[0])
	if err != nil {
		return page{}, err
	}
	text, err := w.granter.challenge(waiting).Text()
	if err != nil {
		return page{}, err
	}
	data := struct {
		ID        string `json:"id"`
		Challenge string `json:"challenge"`
	}{waiting.ID, string(text)}
	return page{data: data, text: func(out io.Writer) { _, _ = out.Write(text) }}, nil
}

// code is what is typed to approve a wish by a touch: it stands where the wish is shown whole, to a person who may approve it, and nowhere
// else, so that nobody approves by a name that he was told. It is made of the text that others sign, which agents may fetch to have it
// signed, and of a secret that is in no text.
func (g *granter) code(w grants.Waiting) (string, error) {
	text, err := g.challenge(w).Text()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(text, w.Seal...))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5])), nil
}

// read refuses who has not seen what he approves.
func (g *granter) read(w grants.Waiting, said string) error {
	code, err := g.code(w)
	switch {
	case err != nil:
		return err
	case said == "":
		return &gate.Refusal{Reason: "whoever approves has read what for: a code stands below it", Hint: "ssh gate@host grants " + w.ID + " shows it; then ssh touch@host approve " + w.ID + " CODE"}
	case subtle.ConstantTimeCompare([]byte(said), []byte(code)) != 1:
		return &gate.Refusal{Reason: "this is not the code of request " + w.ID, Hint: "ssh gate@host grants " + w.ID}
	}
	return nil
}
