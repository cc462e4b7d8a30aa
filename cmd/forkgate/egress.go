package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"forkgate/gate/warden/client"
	"forkgate/nsjail/egress"
	"forkgate/systemd"
)

// egressCommand lets pods out by name. It is hidden: nobody but systemd has a use for it.
func egressCommand() *cobra.Command {
	c := &cobra.Command{Use: "egress", Short: "let pods out by name", Args: words(0, 0), Hidden: true}
	place := c.Flags().String("warden", client.Socket, "the warden's socket")
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if os.Geteuid() == 0 {
			return errors.New("this runs as a user that has no rights; use systemctl start forkgate-egress")
		}
		config := egress.Config{
			Resolver: &net.Resolver{PreferGo: true}, Dial: (&net.Dialer{Control: egress.Bounded}).DialContext, Outside: egress.Outside,
			Denied: func(ctx context.Context, all []egress.Denied) (int, error) { return tellDenied(ctx, *place, all) },
			Log:    logger(), Ready: systemd.Ready,
		}
		sockets := systemd.Inherited()
		defer sockets.Close()
		if config.Socket, err = sockets.Take("egress"); err != nil {
			return fmt.Errorf("%w; use systemctl start forkgate-egress", err)
		}
		return egress.Serve(cmd.Context(), config)
	}
	return c
}

// tellDenied has the record tell of what pods did not reach.
func tellDenied(ctx context.Context, warden string, all []egress.Denied) (told int, err error) {
	c, err := client.Dial(warden)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var denied []client.Denied
	for _, d := range all {
		denied = append(denied, client.Denied{GUID: d.GUID, Host: d.Host, Port: d.Port, Why: d.Why, Count: d.Count})
	}
	return c.Denied(ctx, denied)
}
