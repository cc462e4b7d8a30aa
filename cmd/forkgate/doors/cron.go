package doors

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

func cronProbe(_ context.Context, h *Host) finding {
	people, services, err := h.theirs(true, crontabs, cronie)
	lines, wrong := h.cronLines()
	switch err := errors.Join(err, wrong); {
	case err != nil:
		return open("look at /"+crontabs+", and /etc/cron.d", "%v", err)
	case h.exists("usr/sbin/cron", "usr/sbin/crond", "usr/sbin/fcron", "usr/sbin/bcron-start") == "":
		return closed("there is no cron")
	case len(people) > 0:
		return open("", "crontabs of %s", names(people))
	}
	loose, err := h.loose([]string{"etc/crontab", "etc/anacrontab"}, "etc/cron.d", "etc/cron.hourly", "etc/cron.daily", "etc/cron.weekly", "etc/cron.monthly")
	if len(loose) > 0 {
		return h.othersWrite(loose)
	}
	switch why, wrong := h.leave("cron", false); {
	case err != nil || wrong != nil:
		return open("look at /etc/cron.allow, and /etc/cron.d", "%v", errors.Join(err, wrong))
	case why != "":
		return open("", "%s", why)
	// What the operator may have to except comes last: it hides nothing that he has not seen.
	case len(lines) > 0:
		return open("take them out of there; or --except cron", "%s", some(lines))
	case len(services) > 0:
		return haveThem("cron", "crontabs", "crontab -r -u %s", services)
	}
	return gated("root, and who is in %s", AdminGroup)
}

// cronLines are those of the host's own crontabs that start something as who is neither root, nor an admin, nor a service (crontab(5)).
func (h *Host) cronLines() (found []string, err error) {
	a, err := h.accounts()
	if err != nil {
		return nil, err
	}
	files, err := h.list("etc/cron.d")
	if err != nil {
		return nil, err
	}
	for _, file := range append([]string{"etc/crontab"}, files...) {
		text, _, err := h.read(file)
		if err != nil {
			return nil, err
		}
		for _, line := range lines(text) {
			f := strings.Fields(line)
			at := 5 // behind minute, hour, day, month and weekday
			if strings.HasPrefix(line, "@") {
				at = 1
			}
			if len(f) <= at+1 || strings.Contains(f[0], "=") || f[1] == "=" {
				continue
			}
			if who := a.strangers(f[at : at+1]); len(who) > 0 && !a.ofService(who[0]) {
				found = append(found, fmt.Sprintf("/%s starts something as %s", file, who[0]))
			}
		}
	}
	return found, nil
}

func closeCron(_ context.Context, h *Host) ([]step, error) {
	return h.closeJobs("cron", true, crontabs, cronie)
}
