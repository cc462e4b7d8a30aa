// Package gate is the story of a connection: who speaks, what they ask, what policy says, and the session they get.
//
// It holds the nouns every other package shares (Ref, Op, Caller, Target, Request, Decision, Refusal) and one
// function that reads as the product's sentences, [Gate.Enter]. It does no I/O of its own: forks, pods, policy and
// the audit log are small interfaces, defined here because the story is what consumes them.
//
// It trusts nothing that a client says beyond what the warden has verified, and its zero values refuse: the zero
// Kind is an agent, the zero Verdict forbids, the zero Op is no operation.
package gate
