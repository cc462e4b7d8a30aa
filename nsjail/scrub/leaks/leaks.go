// Package leaks finds credentials in what files hold: what looks like a key, a token or a password of a service, by the rules of gitleaks and
// some of our own.
//
// It sees what has the form of a credential, and finds neither one that has none, such as a plain word in a file of its own, nor one that is
// packed or encoded. What it finds it passes on whole: whoever reports it leaves the value out.
package leaks

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/zricethezav/gitleaks/v8/config"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/logging"
)

// Leak is a credential that was found.
type Leak struct {
	Line  int    // from 1; 0: in what has no lines
	Kind  string // the rule: "stripe-access-token"
	Value string
}

// Finder looks for credentials. Several goroutines may use one.
type Finder struct{ detector *detect.Detector }

// ours are rules for what the others do not know.
var ours = []config.Rule{
	{
		RuleID: "password-in-url", Description: "a URL with a password, as databases and brokers have them", Keywords: []string{"://"}, SecretGroup: 1,
		Regex: regexp.MustCompile(`\b[a-zA-Z][a-zA-Z0-9+.-]{1,30}://[^\s:/@'"<>$%{}]{1,64}:([^\s:/@'"<>${}]{3,128})@[a-zA-Z0-9\[]`),
	},
	{
		RuleID: "password-hash", Description: "the hash of a password (crypt(5))", SecretGroup: 1, Keywords: []string{"$y$", "$6$", "$5$", "$2b$", "$2y$", "$2a$"},
		Regex: regexp.MustCompile(`(\$(?:y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}|[56]\$(?:rounds=\d+\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43,86}|2[aby]\$\d\d\$[./A-Za-z0-9]{53}))`),
	},
}

// New makes a finder that does not report some kinds. One that does not exist is an error: it may be misspelt.
func New(ignore []string) (*Finder, error) {
	logging.Logger = logging.Logger.Output(io.Discard) // it quotes what it finds
	d, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		return nil, fmt.Errorf("cannot read the rules: %w", err)
	}
	rules := d.Config
	rules.Rules = make(map[string]config.Rule, len(d.Config.Rules)+len(ours))
	for _, rule := range ours {
		rules.Rules[rule.RuleID] = rule
		for _, word := range rule.Keywords {
			rules.Keywords[word] = struct{}{}
		}
	}
	for id, rule := range d.Config.Rules {
		rules.Rules[id] = rule
	}
	for _, kind := range ignore {
		if _, ok := rules.Rules[kind]; !ok {
			return nil, fmt.Errorf("%.80q is no kind of credential", kind)
		}
		delete(rules.Rules, kind)
	}
	found := detect.NewDetector(rules)
	found.IgnoreGitleaksAllow = true // whoever writes that is not who decides
	return &Finder{found}, nil
}

// Kinds lists what New's finders know, by name.
func Kinds() ([]string, error) {
	f, err := New(nil)
	if err != nil {
		return nil, err
	}
	var kinds []string
	for id := range f.detector.Config.Rules {
		kinds = append(kinds, id)
	}
	slices.Sort(kinds)
	return kinds, nil
}

// made is what Made makes up: 26 characters of base32 behind a word that no provider's keys begin with.
var made = regexp.MustCompile(`^sandbox-[A-Z2-7]{26}$`)

// Made makes up a value to stand in the place of a credential, that is none and that Find knows to be none.
func Made() string { return "sandbox-" + rand.Text() }

// Find finds what leaks from a piece of a file, in the order of lines.
func (f *Finder) Find(text []byte) (found []Leak) {
	for _, one := range f.detector.DetectBytes(text) {
		if made.MatchString(one.Secret) {
			continue
		}
		found = append(found, Leak{Line: one.StartLine + 1, Kind: one.RuleID, Value: one.Secret})
	}
	slices.SortFunc(found, func(a, b Leak) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Value, b.Value))
	})
	return slices.Compact(found)
}

// Printable is what of a binary file can be read: its runs of at least eight characters, each on a line of its own.
func Printable(data []byte) []byte {
	const least = 8
	var out bytes.Buffer
	start := 0
	for i := 0; i <= len(data); i++ {
		if i < len(data) && (data[i] >= ' ' && data[i] < 0x7f || data[i] == '\t') {
			continue
		}
		if i-start >= least {
			out.Write(data[start:i])
			out.WriteByte('\n')
		}
		start = i + 1
	}
	return out.Bytes()
}
