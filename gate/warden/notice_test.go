package warden

import (
	"testing"

	"forkgate/fork"
	"forkgate/gate/warden/client"
)

// Who has a session in a fork that is ended hears of it; who is elsewhere does not, and neither does who has left.
func TestNoticesReachTheSessionsOfATree(t *testing.T) {
	h := newHost(t)
	tree := h.trees.add(fork.Tree{Repo: "demo", Tag: "x", Owner: "alice"})
	h.start(t)
	heard := make(chan client.Notice, 8)
	open := func(user string) (*client.Client, string) {
		c := h.connect(t, user, h.alice)
		c.Notify(func(n client.Notice) { heard <- n })
		s, err := c.Open(t.Context(), client.OpenRequest{Op: "shell"})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		return c, s.ID
	}
	_, inside := open("demo:x")
	open("demo")
	gone, _ := open("demo:x")
	gone.Close()
	for h.audience.tell(tree.GUID, "it ends") != 1 { // until the warden has seen the other one leave
		<-heard
	}
	if n := <-heard; n.Session != inside || n.Text != "it ends" {
		t.Errorf("heard %+v, not of %s", n, inside)
	}
	if len(heard) > 0 {
		t.Errorf("heard as well %+v", <-heard)
	}
}

// A session whose connection is another warden's is told when its door asks, once, and by its name.
func TestWhatNobodyHeardIsThereToBeAskedFor(t *testing.T) {
	h := newHost(t)
	h.start(t)
	h.audience.tellOne("theirs", "its grant has ended")
	c := dial(t, h.door)
	for _, ask := range []struct{ session, want string }{{"another", ""}, {"", ""}, {"theirs", "its grant has ended"}, {"theirs", ""}} {
		if got, err := c.Ended(t.Context(), ask.session); err != nil || got.Why != ask.want {
			t.Errorf("%q: %q, %v", ask.session, got.Why, err)
		}
	}
}
