package nsjail

import (
	"context"
	"errors"
	"fmt"

	"forkgate/nsjail/wire"
)

// Take makes a pod that was built ahead the one that its spec describes, which has been written by now, and returns when it is ready.
// ErrNotRunning: no such pod waits.
func Take(ctx context.Context, runDir, guid string) error {
	conn, err := wire.Dial(SpareSocket(runDir, guid))
	if err != nil {
		return errors.Join(ErrNotRunning, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	m, files, err := conn.Receive()
	wire.CloseAll(files)
	if err != nil {
		return fmt.Errorf("cannot take the spare pod %s: %w", guid, errors.Join(err, context.Cause(ctx)))
	}
	if m.Type == wire.TypeReady {
		return nil
	}
	var no wire.No
	if m.Type != wire.TypeNo || m.Decode(&no) != nil {
		return fmt.Errorf("cannot take the spare pod %s: %w: it says %.40q", guid, wire.ErrMalformed, m.Type)
	}
	return fmt.Errorf("cannot take the spare pod %s: %.200s", guid, no.Error)
}
