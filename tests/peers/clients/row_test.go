package clients

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"forkgate/tests/machine"
)

// row is a client, and how it is asked for what the columns want.
type row struct {
	name string
	// does has a shell script for each column that the client can do. What scripts can use is in prelude and work.env.
	does map[string]string
	// shows is what this client makes of a refusal, as a regular expression for what the column says.
	shows map[string]string
	// keys are the types of keys that the client can sign with, for the column of that name.
	keys []string
}

// column is something to do, and how one tells that it was done: not by what the client says of it.
type column struct {
	name string
	// login is whom scripts come as, where that is not the row's fork.
	login string
	// person is set where they come by a person's key.
	person bool
	// serves is set where a server has to run in the fork.
	serves bool
	// check says what the matrix shows. An error is that it was not done.
	check func(t *testing.T, w *work, r machine.Result) (shown string, err error)
}

// cells runs a row, and says what each of its cells shows.
func (r row) cells(t *testing.T, w *world, nth int, columns []column) map[string]string {
	shown := map[string]string{}
	k := w.work(t, r.name, nth)
	if slices.ContainsFunc(columns, func(c column) bool { return c.serves && r.does[c.name] != "" }) {
		k.serve(t)
	}
	for _, c := range columns {
		if r.does[c.name] == "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			shown[c.name] = "FAILS"
			said, result, err := r.cell(t, k, c)
			if err != nil {
				t.Fatalf("%v; exit code %d\n%.2000s\n%.2000s", err, result.Code, result.Stdout, result.Stderr)
			}
			shown[c.name] = said
		})
	}
	return shown
}

func (r row) cell(t *testing.T, k *work, c column) (string, machine.Result, error) {
	if c.name == "keys" {
		return r.signs(t, k)
	}
	login, key := k.login, k.key
	if c.login != "" {
		login = c.login
	}
	if c.person {
		key = k.world.Dir + "/person"
	}
	result := k.run(t, login, key, r.does[c.name])
	said, err := c.check(t, k, result)
	if want := r.shows[c.name]; err == nil && want != "" && !regexp.MustCompile("^"+want+"$").MatchString(said) {
		err = fmt.Errorf("it shows %q, not %q", said, want)
	}
	return said, result, err
}

// signs tries a key of each type that the client has. Each type has a principal, whose fork all clients share.
func (r row) signs(t *testing.T, k *work) (string, machine.Result, error) {
	for _, kind := range r.keys {
		result := k.run(t, "demo+"+kind, k.world.Dir+"/"+kind, r.does["keys"])
		if result.Code != 0 || !strings.Contains(result.Stdout, kind+".agent") {
			return "", result, errors.New("the key of type " + kind + " does not get it in")
		}
	}
	return strings.Join(r.keys, " "), machine.Result{}, nil
}

// table shows what the rows did.
func table(rows []row, columns []column, shown []map[string]string) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	fmt.Fprint(w, "CLIENT")
	for _, c := range columns {
		fmt.Fprint(w, "\t", strings.ToUpper(c.name))
	}
	fmt.Fprintln(w)
	for i, r := range rows {
		if shown[i] == nil {
			continue // not among those that were asked for
		}
		fmt.Fprint(w, r.name)
		for _, c := range columns {
			cell := shown[i][c.name]
			if cell == "" {
				cell = "-"
			}
			fmt.Fprint(w, "\t", cell)
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	return text.String()
}
