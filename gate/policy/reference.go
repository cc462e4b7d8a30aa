package policy

import (
	"fmt"
	"strings"

	"forkgate/gate"
)

// Reference is everything that a policy can be written with. It is made of the tables that files are read by.
type Reference struct {
	Blocks     []BlockReference     `json:"blocks"`
	Facts      []FactReference      `json:"facts"`      // of conditions, and of ${...} in reason and hint
	Functions  []FunctionReference  `json:"functions"`  // of conditions
	Operations []OperationReference `json:"operations"` // the words that op is
}

// BlockReference is a type of block.
type BlockReference struct {
	Type    string           `json:"type"`
	Label   string           `json:"label,omitempty"` // what stands behind it in quotes
	In      []string         `json:"in,omitempty"`    // types of block that it stands in; none: it stands at the top of a file
	Meaning string           `json:"meaning"`
	Fields  []FieldReference `json:"fields"`
}

// FieldReference is an attribute of a block.
type FieldReference struct {
	Name     string `json:"name"`
	Shape    string `json:"shape"` // how its value is written
	Required bool   `json:"required"`
	Meaning  string `json:"meaning"`
}

// FactReference is a fact of a request.
type FactReference struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Words   []string `json:"words,omitempty"` // all that it can be, where that is known
	Meaning string   `json:"meaning"`
}

// FunctionReference is a function, by an example.
type FunctionReference struct {
	Name    string `json:"name"`
	Example string `json:"example"`
	Meaning string `json:"meaning"`
}

// OperationReference is a word that op can be.
type OperationReference struct {
	Op      gate.Op `json:"op"`
	Meaning string  `json:"meaning"`
}

// NewReference makes the reference.
func NewReference() Reference {
	var all Reference
	for _, kind := range grammar {
		all.Blocks = append(all.Blocks, kind.reference())
	}
	facts := newSchema(&Policy{})
	for _, name := range facts.names() {
		fact := facts[name]
		one := FactReference{Name: name, Type: fact.typeName(), Meaning: fact.meaning}
		if fact.words != nil && fact.words.known != nil && name != "op" {
			one.Words = fact.words.known
		}
		all.Facts = append(all.Facts, one)
	}
	for _, f := range functions() {
		all.Functions = append(all.Functions, FunctionReference{f.name, f.shape, f.meaning})
	}
	for _, op := range gate.Ops() {
		all.Operations = append(all.Operations, OperationReference{op, op.Meaning()})
	}
	return all
}

func (k blockKind) reference() BlockReference {
	block := BlockReference{Type: k.name, Label: k.label, In: k.outer(), Meaning: k.meaning, Fields: []FieldReference{}}
	for _, f := range k.fields {
		if f.need == optional || f.need == required {
			block.Fields = append(block.Fields, FieldReference{f.name, f.shape, f.need == required, f.meaning})
		}
	}
	return block
}

// String shows the reference to a person.
func (all Reference) String() string {
	var text strings.Builder
	text.WriteString("Blocks. A field with a star has to be there.\n")
	for _, block := range all.Blocks {
		text.WriteString("\n" + block.String())
	}
	text.WriteString("\nFacts, for conditions, and as ${FACT} in reason and hint\n\n")
	for _, fact := range all.Facts {
		meaning := fact.Meaning
		if len(fact.Words) > 0 {
			meaning += " (" + strings.Join(fact.Words, ", ") + ")"
		}
		fmt.Fprintf(&text, "  %-20s %-14s %s\n", fact.Name, fact.Type, meaning)
	}
	text.WriteString("\nConditions are made of facts with == != < <= > >=, of && || ! ( ), and of functions\n\n")
	for _, f := range all.Functions {
		fmt.Fprintf(&text, "  %-35s %s\n", f.Example, f.Meaning)
	}
	text.WriteString("\nOperations, which op is one of\n\n")
	for _, op := range all.Operations {
		fmt.Fprintf(&text, "  %-20s %s\n", op.Op, op.Meaning)
	}
	return text.String()
}

// String shows a type of block to a person.
func (b BlockReference) String() string {
	var text strings.Builder
	text.WriteString(b.Type)
	if b.Label != "" {
		fmt.Fprintf(&text, " %q", b.Label)
	}
	if len(b.In) > 0 {
		fmt.Fprintf(&text, ", in %s", strings.Join(b.In, " and "))
	}
	fmt.Fprintf(&text, ": %s\n", b.Meaning)
	for _, f := range b.Fields {
		star := " "
		if f.Required {
			star = "*"
		}
		fmt.Fprintf(&text, " %s%-20s %-42s %s\n", star, f.Name, f.Shape, f.Meaning)
	}
	return text.String()
}
