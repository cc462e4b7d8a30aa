package egress

import (
	"encoding/json"
	"testing"

	"forkgate/nsjail/wire"
	"forkgate/tests/shape"
)

// Pods run for weeks: what the supervisor of the version before says is understood, and what it hears is what it knows.
func TestWhatSupervisorsSayIsUnderstood(t *testing.T) {
	all := map[string]any{typeUp: up{}, wire.Granted: struct{}{}, wire.Refused: wire.Refusal{}, wire.TypeVersions: wire.Versions{}}
	shape.Check(t, "egress", wire.Egress(), all, func(name string, body json.RawMessage) error { return shape.Strictly(all[name], body) })
}
