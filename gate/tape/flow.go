package tape

import (
	"encoding/json"
	"fmt"
)

// Carried is what the data of an event of code Flow says, in JSON: what a forward has carried up to then. The bytes themselves are not on the tape;
// where it leads stands in the header, as command.
type Carried struct {
	In  int64 `json:"in"`  // bytes from the client
	Out int64 `json:"out"` // and to it
	End bool  `json:"end,omitempty"`
}

// Carried records it.
func (w *Writer) Carried(c Carried) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("cannot record what a forward carried: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.event(Flow, text)
}

// Carried reads an event of code Flow.
func (e Event) Carried() (c Carried, err error) {
	if err := json.Unmarshal([]byte(e.Data), &c); err != nil {
		return c, fmt.Errorf("an event of code %q says nothing of a forward: %w", e.Code, err)
	}
	return c, nil
}

// String is a line for a person, without its end.
func (c Carried) String() string {
	if !c.End && c.In+c.Out == 0 {
		return "connected"
	}
	line := fmt.Sprintf("%d bytes from the client, %d bytes to it", c.In, c.Out)
	if c.End {
		line += "; the end"
	}
	return line
}
