package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"forkgate/gate/audit"
)

func auditCommand() *cobra.Command {
	c := group("audit", "the record of what was asked, decided and done", auditTailCommand(), auditQueryCommand(), auditVerifyCommand(), auditKeyCommand())
	c.PersistentFlags().String("state", stateDir, "directory that the audit log is in")
	return c
}

// auditIn is where the command finds the log.
func auditIn(cmd *cobra.Command) (audit.Options, error) {
	state, err := cmd.Flags().GetString("state")
	if err == nil && state == stateDir {
		err = needRoot("reading the audit log")
	}
	return audit.In(state), err
}

func auditVerifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "verify", Short: "say whether the audit log is as it was written, and up to when that can be told", Args: words(0, 0),
		Long: "say whether the audit log is as it was written, and up to when that can be told\n\n" +
			"Each line has the hash of the one before, and every minute the last one is signed: an anchor. A log that was cut back to an older\n" +
			"anchor, with the copy beside it, is told by anchors that were kept elsewhere. The journal has them:\n\n" +
			"    journalctl -t forkgate-audit -o cat | forkgate audit verify --anchors -",
	}
	anchors := c.Flags().String("anchors", "", "file with anchors from elsewhere, one in a line, as the journal, syslog or the log has them; - is standard input")
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := auditIn(cmd)
		if err != nil {
			return err
		}
		report, err := verifyAudit(o, *anchors, cmd.InOrStdin())
		if err != nil {
			return err
		}
		if *asJSON {
			if report.Findings == nil {
				report.Findings = []audit.Finding{}
			}
			err = printJSON(cmd.OutOrStdout(), report)
		} else {
			err = printReport(cmd.OutOrStdout(), report)
		}
		if n := len(report.Findings); n > 0 {
			return errors.Join(err, fmt.Errorf("the audit log is not as it was written: %d found", n))
		}
		return err
	}
	return c
}

func verifyAudit(o audit.Options, anchors string, stdin io.Reader) (audit.Report, error) {
	key, err := audit.PublicKey(o.Key)
	if err != nil {
		return audit.Report{}, err
	}
	copies, err := audit.NewestCopy(o.Copy, key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return audit.Report{}, err
	}
	missing := err != nil
	if anchors != "" {
		more, err := readAnchors(anchors, stdin)
		if err != nil {
			return audit.Report{}, err
		}
		copies = append(copies, more...)
	}
	report, err := audit.Verify(o.Dir, key, copies...)
	if missing && report.Anchors > 0 {
		report.Findings = append(report.Findings, audit.Finding{Place: o.Copy, What: "the copy of the newest anchor is gone, and the log has anchors"})
	}
	return report, err
}

// readAnchors reads anchors as the log has them or, behind line=, as the journal does, or behind a tag, as syslog does.
func readAnchors(path string, stdin io.Reader) (anchors []audit.Entry, err error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read anchors: %w", err)
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewScanner(in)
	for number := 1; lines.Scan(); number++ {
		text := lines.Text()
		if _, quoted, ok := strings.Cut(text, `line="`); ok {
			if text, err = strconv.Unquote(`"` + quoted); err != nil {
				return nil, fmt.Errorf("%s:%d is no anchor: %w", path, number, err)
			}
		}
		if text == "" || strings.HasPrefix(text, "-- ") { // as journalctl says that there is nothing, or a boot
			continue
		}
		if _, sent, ok := strings.Cut(text, audit.SyslogTag); ok {
			_, text, _ = strings.Cut(sent, ": ")
		}
		var e audit.Entry
		if err := json.Unmarshal([]byte(text), &e); err != nil || e.Event != audit.EventAnchor {
			return nil, fmt.Errorf("%s:%d is no anchor: %.60q", path, number, text)
		}
		anchors = append(anchors, e)
	}
	if err := lines.Err(); err != nil || len(anchors) > 0 {
		return anchors, err
	}
	return nil, fmt.Errorf("there is no anchor in %s: nothing was compared", path)
}

func printReport(w io.Writer, r audit.Report) error {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s: %s\n", f.Place, f.What)
	}
	fmt.Fprintf(w, "lines     %d", r.Lines)
	if r.Unchained > 0 {
		fmt.Fprintf(w, ", and %d from before they were chained", r.Unchained)
	}
	if r.Anchored.IsZero() {
		_, err := fmt.Fprintf(w, "\nanchored  never: nothing shows that it is as it was written\n")
		return err
	}
	_, err := fmt.Fprintf(w, "\nanchored  until %s, line %d; %d lines behind it are chained, and not signed yet\n", r.Anchored.Format(time.RFC3339), r.AnchorLine, r.After)
	return err
}

func auditKeyCommand() *cobra.Command {
	c := &cobra.Command{Use: "key", Short: "print the public key that verifies the audit log's anchors", Args: words(0, 0)}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := auditIn(cmd)
		if err != nil {
			return err
		}
		key, err := audit.PublicKey(o.Key)
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), audit.Fingerprint(key))
		return pem.Encode(cmd.OutOrStdout(), &pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	return c
}
