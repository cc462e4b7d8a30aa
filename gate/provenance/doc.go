// Package provenance says who speaks: a person or an agent, and by which evidence.
//
// It grades five classes of evidence today: none, a hint (marks that the client itself sent), a key that signed the connection,
// the statement of an attestor, a daemon of root's on the client's workstation, and that with a touch of a security key. Hints only ever lower: a mark of an agent makes an
// agent, the absence of marks proves nothing. A key says which principal speaks, not which kind, unless the operator vouches that no
// agent reaches that principal's keys. A statement says both, and whether a person gave an agent leave to enter a repository. A touch
// says that somebody was there, and makes nobody a person.
//
// It is not a detector. Who hides every mark and holds a vouched key passes for a person; that is what the operator
// vouches against. It trusts the warden for the principal and the fingerprint, and the client for nothing.
package provenance
