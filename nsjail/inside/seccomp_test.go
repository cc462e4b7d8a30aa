package inside

import "testing"

func TestFiltersAssemble(t *testing.T) {
	for name, f := range map[string]filter{"machine": machineFilter(), "session": sessionFilter()} {
		program, err := f.assemble()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(program) < 10 || len(program) > 4096 { // BPF_MAXINSNS
			t.Errorf("%s: %d instructions", name, len(program))
		}
	}
}
