package engines

import (
	"context"
	"fmt"

	"github.com/cedar-policy/cedar-go"
	"github.com/google/cel-go/cel"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"forkgate/gate"
	"forkgate/gate/policy"
)

// engine answers questions by a set of rules that it has loaded.
type engine interface {
	allows(question) (bool, error)
}

type ours struct{ policy *policy.Policy }

func newOurs(rules int) (engine, error) {
	p, err := policy.Load(policy.Text{Name: "rules.hcl", Text: []byte(inHCL(rules))})
	return ours{p}, err
}

func (e ours) allows(q question) (bool, error) {
	d := e.policy.Decide(gate.Request{
		Caller: gate.Caller{Principal: q.principal, Class: gate.ClassAttested}, Op: gate.Op(q.op), Target: gate.Target{Repo: q.repo, Grand: true},
	})
	return d.Verdict == gate.Permit, nil
}

type opa struct{ query rego.PreparedEvalQuery }

func newOPA(rules int) (engine, error) {
	query, err := rego.New(rego.Query("data.gate.allow"), rego.Module("gate.rego", inRego(rules))).PrepareForEval(context.Background())
	return opa{query}, err
}

func (e opa) allows(q question) (bool, error) {
	// An input that is parsed already, which is OPA at its best.
	input := ast.NewObject(
		[2]*ast.Term{ast.StringTerm("principal"), ast.StringTerm(q.principal)},
		[2]*ast.Term{ast.StringTerm("op"), ast.StringTerm(q.op)},
		[2]*ast.Term{ast.StringTerm("repo"), ast.StringTerm(q.repo)},
	)
	results, err := e.query.Eval(context.Background(), rego.EvalParsedInput(input))
	return results.Allowed(), err
}

type inCedarWords struct{ policies *cedar.PolicySet }

func newCedar(rules int) (engine, error) {
	policies, err := cedar.NewPolicySetFromBytes("rules.cedar", []byte(inCedar(rules)))
	return inCedarWords{policies}, err
}

func (e inCedarWords) allows(q question) (bool, error) {
	decision, diagnostic := cedar.Authorize(e.policies, cedar.EntityMap{}, cedar.Request{
		Principal: cedar.NewEntityUID("User", cedar.String(q.principal)),
		Action:    cedar.NewEntityUID("Action", cedar.String(q.op)),
		Resource:  cedar.NewEntityUID("Repo", cedar.String(q.repo)),
		Context:   cedar.NewRecord(nil),
	})
	if len(diagnostic.Errors) > 0 {
		return false, fmt.Errorf("%v", diagnostic.Errors[0])
	}
	return decision == cedar.Allow, nil
}

type programs []cel.Program

func newCEL(rules int) (engine, error) {
	env, err := cel.NewEnv(cel.Variable("principal", cel.StringType), cel.Variable("op", cel.StringType), cel.Variable("repo", cel.StringType))
	if err != nil {
		return nil, err
	}
	var all programs
	for _, text := range inCEL(rules) {
		checked, issues := env.Compile(text)
		if issues.Err() != nil {
			return nil, issues.Err()
		}
		program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize))
		if err != nil {
			return nil, err
		}
		all = append(all, program)
	}
	return all, nil
}

func (e programs) allows(q question) (bool, error) {
	facts := map[string]any{"principal": q.principal, "op": q.op, "repo": q.repo}
	for _, program := range e {
		value, _, err := program.Eval(facts)
		if err != nil {
			return false, err
		}
		if value.Value() == true {
			return true, nil
		}
	}
	return false, nil
}
