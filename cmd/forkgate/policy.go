package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"forkgate/gate"
	"forkgate/gate/policy"
	"forkgate/gate/warden/client"
)

// loadPolicy loads the *.hcl files of dir, and those of its policy.d where there is one. past are names that there have been.
func loadPolicy(dir string, anyOwner bool, past ...string) (*policy.Policy, error) {
	sources := []policy.Source{policy.Disk{Path: dir, AnyOwner: anyOwner}}
	if below := filepath.Join(dir, "policy.d"); isDir(below) {
		sources = append(sources, policy.Disk{Path: below, AnyOwner: anyOwner})
	}
	return policy.LoadAfter(past, sources...)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func policyCommand() *cobra.Command {
	return group("policy", "write, check and explain the policy",
		policyCheckCommand(), policyTestCommand(), policyExplainCommand(), policySchemaCommand(), policyFmtCommand())
}

func policyCheckCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "check [DIR]", Short: "load a policy, run its tests, and say what is wrong with it", Args: words(0, 1),
		Long: "Load a policy, run its tests, and say what is wrong with it. DIR is a directory of *.hcl files, or one with a policy.d of them in it;\n" +
			"where both are there, both count. Without DIR it is " + policyDir + ", and it is said as well which repositories rules name that\n" +
			"this host does not have, if the warden runs to tell.",
	}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		dir, anyOwner := policyIn(args)
		p, err := loadPolicy(dir, anyOwner, pastOf(anyOwner)...)
		if err != nil {
			return complain(cmd, err, *asJSON)
		}
		summary := p.Summary()
		if !anyOwner {
			summary.Notes = append(summary.Notes, missing(cmd.Context(), p)...)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), summary)
		}
		fmt.Fprintln(cmd.OutOrStdout(), summary)
		for _, note := range summary.Notes {
			fmt.Fprintf(cmd.OutOrStdout(), "note: %s:%d: %s\n", gate.Printable(note.File), note.Line, note.Detail)
		}
		return nil
	}
	return c
}

// missing says which repositories the policy's rules name that this host does not have. A policy may be checked before the warden runs, and
// by who may not ask it: then there is nothing to say.
func missing(ctx context.Context, p *policy.Policy) (notes []policy.Problem) {
	_ = withWarden(func(c *client.Client) error {
		status, err := c.Status(ctx)
		if err == nil {
			notes = p.Missing(status.Names)
		}
		return err
	})
	return notes
}

// policyIn is the directory that a command was given, or the installed policy's; who owns files matters where they are in force.
func policyIn(args []string) (dir string, anyOwner bool) {
	if len(args) == 0 {
		return policyDir, false
	}
	return args[0], filepath.Clean(args[0]) != policyDir
}

// pastOf are the names that this host's own policy has had; another one has had none.
func pastOf(another bool) []string {
	if another {
		return nil
	}
	return pastNames(stateDir)
}

// complain shows what is wrong: where, the source line, and what was meant perhaps.
func complain(cmd *cobra.Command, err error, asJSON bool) error {
	var wrong *policy.LoadError
	if !errors.As(err, &wrong) {
		return err
	}
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), wrong.Problems()); err != nil {
			return err
		}
	} else if err := wrong.Write(cmd.ErrOrStderr(), 100, false); err != nil {
		return err
	}
	return fmt.Errorf("the policy does not load: %d to mend", len(wrong.Problems()))
}

func policySchemaCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "schema", Args: noOther,
		Short: "print all that a policy can be written with: blocks, facts, functions, operations",
	}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), policy.NewReference())
		}
		_, err := fmt.Fprint(cmd.OutOrStdout(), policy.NewReference())
		return err
	}
	return c
}

func policyTestCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "test [DIR]", Args: words(0, 1),
		Short: "run the policy's own tests, and list them",
		Long: "Run the test blocks of the policy and list what came of each; the exit code is 1 if one fails. Each load runs them as well: a policy\n" +
			"that fails one of its tests is not put in force.",
	}
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		dir, anyOwner := policyIn(args)
		p, err := loadPolicy(dir, anyOwner, pastOf(anyOwner)...)
		var wrong *policy.LoadError
		switch {
		case err == nil:
			return showTrials(cmd, p.Trials(), *asJSON)
		case errors.As(err, &wrong) && len(wrong.Trials()) > 0:
			return showTrials(cmd, wrong.Trials(), *asJSON)
		}
		return complain(cmd, err, *asJSON)
	}
	return c
}

// showTrials lists tests, and explains those that failed.
func showTrials(cmd *cobra.Command, trials []policy.Trial, asJSON bool) error {
	out, failed := cmd.OutOrStdout(), 0
	for _, t := range trials {
		if !t.Passed {
			failed++
		}
	}
	if asJSON {
		if err := printJSON(out, append([]policy.Trial{}, trials...)); err != nil { // and not null
			return err
		}
	} else {
		for _, t := range trials {
			word, answer := "ok", ""
			if !t.Passed {
				word, answer = "FAIL", "\n"+indented(t.Answer)
			}
			fmt.Fprintf(out, "%-4s  %s, %s%s\n", word, t.Name, t.Where, answer)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tests fail", failed, len(trials))
	}
	return nil
}

func indented(text string) string { return "      " + strings.ReplaceAll(text, "\n", "\n      ") }

func policyExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "explain CALLER OP [REF]", Args: words(2, 3),
		Short: "say what the policy would answer, and which rules had a part in it",
		Long: "Say what the policy would answer, and which rules had a part in it. CALLER is PRINCIPAL, agent:PRINCIPAL or\n" +
			"human:PRINCIPAL. The warden is not asked: REF need not exist, and a fork is CALLER's unless --owner says otherwise.\n" +
			"--attested, --touch, --override and --override-refused say what a workstation's attestor, a security key and an agent's leave would\n" +
			"come to, --grant what an approval would. With op approve or revoke REF is where the session of --asker wants to be.\n\n" +
			"Operations:\n" + meanings(),
	}
	var q policy.Question
	dir := c.Flags().String("policy", policyDir, "directory of the policy")
	c.Flags().StringVar(&q.Owner, "owner", "", "the fork's owner")
	c.Flags().StringVar(&q.Parent, "parent", "", "what the fork was forked from")
	c.Flags().StringVar(&q.ParentOwner, "parent-owner", "", "the owner of that, if it is a fork")
	c.Flags().StringVar(&q.Command, "command", "", "the command, for op exec")
	c.Flags().StringVar(&q.Forward.Host, "host", "", "the host, for op forward-local or forward-remote")
	c.Flags().Uint16Var(&q.Forward.Port, "port", 0, "and the port")
	c.Flags().StringVar(&q.Forward.Path, "path", "", "the socket's path, for op forward-unix")
	c.Flags().StringVar(&q.Attested, "attested", "", "what an attestor says of the caller: person, agent or unverified (class 3)")
	c.Flags().StringSliceVar(&q.Override, "override", nil, "repositories that an agent has a person's leave for; implies --attested agent")
	c.Flags().StringVar(&q.OverrideRefused, "override-refused", "", "why an override counts for nothing: "+strings.Join(gate.OverrideRefusals(), ", "))
	c.Flags().BoolVar(&q.Shared, "shared", false, "others may use the caller's connection")
	c.Flags().StringVar(&q.Touch, "touch", "", "name of the security key that the caller touched; implies --attested person (class 4)")
	c.Flags().BoolVar(&q.Enrolled, "enrolled", false, "that key is enrolled, and not only marked")
	c.Flags().BoolVar(&q.Granted, "grant", false, "the session has a grant: somebody approved it")
	c.Flags().StringVar(&q.Asker, "asker", "", "whose session it is about, for op approve or revoke")
	c.Flags().StringVar(&q.Approver, "approver", "", "who approved it, for op revoke")
	c.Flags().BoolVar(&q.Entered, "entered", false, "an agent has been in REF")
	source := c.Flags().String("source", "", "the caller's address")
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		p, err := loadPolicy(*dir, *dir != policyDir, pastOf(*dir != policyDir)...)
		if err != nil {
			return complain(cmd, err, *asJSON)
		}
		if q.Caller, q.Op = args[0], args[1]; len(args) > 2 {
			q.Target = args[2]
		}
		if *source != "" {
			if q.Source, err = netip.ParseAddr(*source); err != nil {
				return err
			}
		}
		request, err := p.Request(q)
		if err != nil {
			return mistyped{err}
		}
		explanation := p.Explain(request)
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), explanation)
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), explanation)
		return err
	}
	return c
}

func meanings() (text string) {
	for _, op := range gate.Ops() {
		text += fmt.Sprintf("  %-16s%s\n", op, op.Meaning())
	}
	return text
}
