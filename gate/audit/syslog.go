package audit

import (
	"fmt"
	"log/syslog"
)

// SyslogTag is the name under which syslog has anchors, in the facility authpriv: what many hosts send to another one as it is.
const SyslogTag = "forkgate-audit"

// toSyslog sends a line to the host's syslog, over /dev/log. Where journald listens there it hands it on.
func toSyslog(line string) error {
	w, err := syslog.New(syslog.LOG_AUTHPRIV|syslog.LOG_NOTICE, SyslogTag)
	if err != nil {
		return fmt.Errorf("cannot reach syslog: %w", err)
	}
	defer w.Close()
	return w.Notice(line)
}
