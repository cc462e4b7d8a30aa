package audit

import (
	"net"
	"strconv"

	"forkgate/gate"
)

// Egress records that something in a pod wanted, so many times, to reach a host that is not open to it. Who that was nobody can tell. What comes by
// the hundred is counted instead.
func (l *Log) Egress(r gate.Request, host string, port uint16, why string, count int) error {
	e := Entry{Event: EventEgress, Ref: r.Target.Ref(), GUID: r.Target.GUID, Verdict: gate.Forbid.String(), Reason: gate.Printable(why), Count: count}
	if host != "" {
		e.Forward = gate.Exact(host)
	}
	if port != 0 {
		e.Forward = gate.Exact(net.JoinHostPort(host, strconv.Itoa(int(port))))
	}
	if l.egress.takes(l.now(), e, 1) {
		return nil
	}
	return l.write(e)
}
