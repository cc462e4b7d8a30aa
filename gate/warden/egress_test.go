package warden

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"forkgate/fork"
	"forkgate/gate/warden/client"
)

// What pods did not reach is in the record, with the fork that it was; a pod that there is not is nobody's, and what cannot be is not taken.
func TestWhatPodsDidNotReach(t *testing.T) {
	h := newHost(t)
	h.start(t)
	repo, _ := h.trees.Find("demo", "")
	told, err := dial(t, h.egress).Denied(t.Context(), []client.Denied{
		{GUID: repo.GUID, Host: "evil.example.net", Port: 443, Why: "it is none of the pod's places", Count: 3},
		{GUID: "gone", Host: "evil.example.net", Port: 80, Why: "it is none of the pod's places", Count: 1},
	})
	if err != nil || told != 2 {
		t.Fatal(told, err)
	}
	if want := "egress demo evil.example.net 443 it is none of the pod's places 3"; !slices.Contains(h.log.all(), want) || strings.Contains(strings.Join(h.log.all(), "\n"), " 80 ") {
		t.Errorf("the record is %q", h.log.all())
	}
	for _, bad := range []client.Denied{{GUID: repo.GUID, Why: "x", Count: 0}, {GUID: repo.GUID, Why: strings.Repeat("x", 300), Count: 1}} {
		if _, err := dial(t, h.egress).Denied(t.Context(), []client.Denied{bad}); err == nil {
			t.Errorf("%.20v is taken", bad)
		}
	}
	if _, err := dial(t, h.door).Denied(t.Context(), []client.Denied{{GUID: repo.GUID, Host: "made.up.example", Why: "x", Count: 1}}); !errors.Is(err, client.ErrGone) {
		t.Errorf("a gate tells of it as well: %v", err)
	}
	if _, err := dial(t, h.egress).Verb(t.Context(), client.VerbRequest{Words: say("repos")}); !errors.Is(err, client.ErrGone) {
		t.Errorf("forkgate-egress asks for something: %v", err)
	}
}

// Names go to forkgate-egress, and never to who opens addresses.
func TestNamesAreNoAddresses(t *testing.T) {
	h := newHost(t)
	repo, _ := h.trees.Find("demo", "")
	tree := repo
	tree.Grand, tree.Tag = false, "x"
	tree.Limits = fork.Limits{Egress: []string{"192.0.2.0/24:443/tcp", "api.example.com:443", "*.example.org:80"}}
	n := h.Warden.pods.network(tree)
	if strings.Join(n.Egress, " ") != "192.0.2.0/24:443/tcp" || strings.Join(n.Names, " ") != "api.example.com:443 *.example.org:80" {
		t.Errorf("got %+v", n)
	}
}
