package gate

import "fmt"

// Verb is one control word: `ssh gate@host VERB`, and `forkgate VERB` for the operator. One table makes the dispatch, both
// helps, the completion and the man page.
type Verb struct {
	Name    string
	Args    string // usage of what follows, empty for none
	Summary string
	Detail  string // what help VERB says beside it, some lines; empty for nothing
	Op      Op     // what policy must permit; empty: the word tells callers of themselves only
	Min     int    // how many arguments at least
	Max     int    // and at most
	Flags   []Flag // words that may stand anywhere among these, and do not count
	Quotes  bool   // it prints what somebody asked for byte for byte, to be approved: nobody may change a word of that
}

// Flag is a word such as --again.
type Flag struct{ Name, Summary string }

// Verbs lists the control words in the order in which help shows them.
func Verbs() []Verb {
	const approving = "It takes policy's permission, and a person who has read what is asked. For what somebody else asks that is the touch of an\n" +
		"enrolled security key, on a connection of class 4, and the code that stands below the request:\n\n" +
		"    ssh gate@host grants ID\n" +
		"    ssh touch@host approve ID CODE\n\n" +
		"For what you ask yourself, and for others as well, a signature by an enrolled security key of yours that has verified you:\n\n" +
		"    ssh gate@host challenge ID | tee ID\n" +
		"    ssh-keygen -Y sign -n grant@forkgate -f KEY ID\n" +
		"    ssh gate@host approve ID $(grep -v -- --- ID.sig | tr -d '\\n')\n"
	const scanning = "What has the form of a credential is found, by the rules of gitleaks and some more, and told of by file, line and kind, never with its\n" +
		"value; a password that is just a word in a file of its own is not. It is done in a copy that nobody enters, which is gone afterwards.\n"
	const comparing = "Files that were added (A), changed (M), moved (R) and removed (D), in what has become of the first, both as they are at this moment; with one REF\n" +
		"it is compared with what it is a fork of. Changed is what is in it, or its mode, owner or attributes. With a path, such as ./conf, it is that file or directory alone.\n" +
		"With --patch texts are read, in copies that nobody enters, and what differs is shown as by diff -u; who may not run commands in both may not see it.\n" +
		"Docker's volumes are not looked at. A file of several names is told of by one of them, and files that were made in both since may be taken for\n" +
		"one. Policy has to permit diff on both: it tells names that rules of scrub take out of forks.\n"
	const freezing = "What runs in it is stopped, and nobody may be inside. It does not expire, and counts for its owner as before. Forks can be made of it, and\n" +
		"thaw has it be used again, its time from the beginning. Only where production is about to meet a full disk it goes, after all other forks.\n"
	const renaming = "Policy has to permit tag under both names, and nobody may be inside. A pod that runs keeps the old name in its prompt until it is started again.\n"
	return []Verb{
		{Name: "help", Args: "[VERB]", Summary: "list the control words, or explain one", Max: 1},
		{Name: "whoami", Summary: "say how you are classified, and by which evidence"},
		{Name: "repos", Summary: "list the repositories that you may see", Op: OpList},
		{Name: "forks", Args: "[REPO]", Summary: "list the forks that you may see", Op: OpList, Max: 1},
		{Name: "fork", Args: "REPO[:TAG] [TAG]", Summary: "make a fork, printing each step with its time", Op: OpFork, Min: 1, Max: 2},
		{Name: "show", Args: "REF", Summary: "show a repository or fork", Op: OpShow, Min: 1, Max: 1},
		{Name: "rm", Args: "REF", Summary: "remove a fork and all that runs in it", Op: OpRemove, Min: 1, Max: 1},
		{Name: "extend", Args: "REF", Summary: "have the time that a fork is kept begin again", Op: OpExtend, Min: 1, Max: 1},
		{Name: "freeze", Args: "REF", Summary: "have a fork stay as it is: nobody enters, changes or removes it", Detail: freezing, Op: OpFreeze, Min: 1, Max: 1},
		{Name: "thaw", Args: "REF", Summary: "have a frozen fork be used again", Op: OpFreeze, Min: 1, Max: 1},
		{Name: "tag", Args: "REF TAG", Summary: "give a fork another name", Detail: renaming, Op: OpTag, Min: 2, Max: 2},
		{Name: "settle", Args: "REF [--again]", Summary: "take out of a fork what nobody in it is to have, again where that failed", Op: OpSettle, Min: 1, Max: 1,
			Flags: []Flag{{"again", "try again what has failed"}}},
		{Name: "scan", Args: "REF [--scrubbed] [--images]", Summary: "look for credentials in a copy of a repository or fork", Detail: scanning, Op: OpScan, Min: 1, Max: 1,
			Flags: []Flag{{"scrubbed", "after policy has taken out of it what it takes out of forks"}, {"images", "in the layers of Docker's images as well"}}},
		{Name: "diff", Args: "REF [REF] [PATH] [--patch]", Summary: "say which files differ between a fork and its parent, or the first and the second", Detail: comparing, Op: OpDiff, Min: 1, Max: 3,
			Flags: []Flag{{"stat", "how many, by directory"}, {"patch", "how what is in them differs, of texts"}}},
		{Name: "info", Args: "REF", Summary: "show what a running repository or fork says of itself, by its Rediaccfile", Op: OpExec, Min: 1, Max: 1},
		{Name: "health", Args: "REF", Summary: "ask a running repository or fork whether it is well, by its Rediaccfile", Op: OpExec, Min: 1, Max: 1},
		{Name: "sessions", Args: "[REF]", Summary: "list the sessions that run, your own and those that are yours to end", Max: 1},
		{Name: "kill", Args: "ID", Summary: "end a session and all that runs in it", Op: OpKill, Min: 1, Max: 1},
		{Name: "grants", Args: "[ID]", Summary: "list what waits for approval and what is granted, of you or by you, or show one whole", Max: 1, Quotes: true},
		{Name: "approve", Args: "ID CODE|SIGNATURE", Summary: "approve what a session waits for", Detail: approving, Op: OpApprove, Min: 1, Max: 2, Quotes: true},
		{Name: "challenge", Args: "ID", Summary: "print what to sign to approve it by a signature", Op: OpApprove, Min: 1, Max: 1, Quotes: true},
		{Name: "revoke", Args: "ID", Summary: "take a grant back and end its sessions, or turn a request down", Op: OpRevoke, Min: 1, Max: 1},
		{Name: "explain", Args: "OP REF", Summary: "say what policy would answer, and by which rule", Min: 2, Max: 2},
	}
}

// FindVerb looks a control word up.
func FindVerb(name string) (Verb, bool) {
	for _, v := range Verbs() {
		if v.Name == name {
			return v, true
		}
	}
	return Verb{}, false
}

// CountWords says how many words there may be.
func CountWords(least, most int) string {
	switch {
	case most == 0:
		return "no words"
	case least == 1 && most == 1:
		return "1 word"
	case most == 1:
		return "at most 1 word"
	case least == most:
		return fmt.Sprintf("%d words", most)
	case least == 0:
		return fmt.Sprintf("at most %d words", most)
	}
	return fmt.Sprintf("%d to %d words", least, most)
}
