package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/pod"
	"forkgate/systemd"
)

func logsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "logs REF [docker]", Short: "show what the journal has of a pod, or of its Docker daemon alone",
		Args: words(1, 2), ValidArgs: []string{"docker"},
	}
	follow := c.Flags().BoolP("follow", "f", false, "go on with what comes")
	lines := c.Flags().UintP("lines", "n", 0, "the last so many lines (default: all)")
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 && args[1] != "docker" {
			return fmt.Errorf("%q is no part of a pod; there is docker", args[1])
		}
		unit, err := unitOf(cmd, args[0])
		if err != nil {
			return err
		}
		query := []string{"--no-pager", "--unit=" + unit}
		if len(args) > 1 {
			query = []string{"--no-pager", "_SYSTEMD_UNIT=" + unit, "SYSLOG_IDENTIFIER=" + pod.FromDocker}
		}
		if *follow {
			query = append(query, "--follow")
		}
		if *lines > 0 {
			query = append(query, "--lines="+strconv.FormatUint(uint64(*lines), 10))
		}
		if *asJSON {
			query = append(query, "--output=json")
		}
		journal := exec.CommandContext(cmd.Context(), "journalctl", query...)
		journal.Stdout, journal.Stderr = cmd.OutOrStdout(), os.Stderr
		if err := journal.Run(); err != nil && cmd.Context().Err() == nil {
			return fmt.Errorf("cannot read the journal: %w", err)
		}
		return nil
	}
	return c
}

// unitOf asks the warden which pod a repository or fork has.
func unitOf(cmd *cobra.Command, ref string) (unit string, err error) {
	var shown struct{ GUID string }
	err = withWarden(func(c *client.Client) error {
		page, err := c.OperatorVerb(cmd.Context(), client.VerbRequest{Words: [][]byte{[]byte("show"), []byte(ref)}, JSON: true})
		if err == nil {
			err = json.Unmarshal(page, &shown)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return systemd.Instance("forkgate-pod@.service", shown.GUID)
}
