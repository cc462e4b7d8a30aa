package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"forkgate/cmd/forkgate/doctor"
	"forkgate/gate/warden"
)

func doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "look at this host: what forkgate needs, what weakens it, and what to type", Args: words(0, 0),
		Long: "Look at this host, and print a line for each thing that forkgate needs or rests on:\n\n" +
			"  green   it is as it should be\n" +
			"  yellow  forkgate works with less, one wall less stands, or it could not be seen\n" +
			"  red     forkgate does not work, or does not protect; the exit code is 1\n\n" +
			"Nothing is changed, and the warden need not run. As root it sees more.",
	}
	pool := c.Flags().String("pool", poolDir, "where the pool is mounted")
	asJSON := jsonFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		rows := doctor.Examine(cmd.Context(), doctor.Here(*pool, published, hostKeys))
		var err error
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), rows)
		} else {
			err = doctor.Write(cmd.OutOrStdout(), rows, false)
		}
		if n := doctor.Count(rows, doctor.Red); err == nil && n > 0 {
			err = fmt.Errorf("this host is not as it should be: %d red; what to type is below each", n)
		}
		return err
	}
	return c
}

// published are the ports that the policy publishes, by repository.
func published() (map[string][]string, error) {
	p, err := loadPolicy(policyDir, false, pastNames(stateDir)...)
	if err != nil {
		return nil, errors.New("the policy does not load")
	}
	all := map[string][]string{}
	for _, name := range p.Repositories() {
		all[name] = p.Repository(name).Publish
	}
	return all, nil
}

// hostKeys lists the gate's host keys and their certificates.
func hostKeys() (all []doctor.HostKey, err error) {
	keys, err := warden.ListHostKeys(warden.HostKeysDir)
	for _, k := range keys {
		all = append(all, doctor.HostKey{File: k.File, Certificate: k.IsCertificate(), Fault: k.Fault, Until: k.Until})
	}
	return all, err
}
