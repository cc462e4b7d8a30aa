package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"forkgate/gate/warden"
	"forkgate/gate/warden/client"
)

func metricsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "metrics", Short: "print the warden's metrics, as Prometheus reads them", Args: words(0, 0),
		Long: "print the warden's metrics, as Prometheus reads them\n\n" +
			"The warden has no network: it answers HTTP on a unix socket that root alone reaches. --listen passes that on to a port of loopback, where\n" +
			"everybody on this host can read how many are refused by which rule:\n\n" +
			"    systemd-run --unit forkgate-metrics forkgate metrics --listen 127.0.0.1:9464",
	}
	socket := c.Flags().String("socket", filepath.Join(filepath.Dir(client.OperatorSocket), warden.MetricsSocket), "the warden's")
	listen := c.Flags().String("listen", "", "address and port of loopback, to answer there until it is ended")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		dial := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", *socket)
		}}
		if *listen == "" {
			return printMetrics(cmd, dial)
		}
		return passMetricsOn(cmd.Context(), dial, *listen)
	}
	return c
}

// wardenURL is where HTTP thinks the warden is; the socket decides. Below it is one path.
var wardenURL = url.URL{Scheme: "http", Host: "warden"}

const metricsPath = "/metrics"

func printMetrics(cmd *cobra.Command, by http.RoundTripper) error {
	request, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, wardenURL.JoinPath(metricsPath).String(), nil)
	if err != nil {
		return err
	}
	answer, err := by.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("cannot read metrics; is the warden running, and are you root? %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("cannot read metrics: %s", answer.Status)
	}
	_, err = io.Copy(cmd.OutOrStdout(), answer.Body)
	return err
}

// passMetricsOn answers on loopback by what the socket says, until ctx ends.
func passMetricsOn(ctx context.Context, by http.RoundTripper, listen string) error {
	at, err := netip.ParseAddrPort(listen)
	if err != nil || !at.Addr().IsLoopback() {
		return fmt.Errorf("%q is no address and port of loopback; write it like 127.0.0.1:9464", listen)
	}
	pass := &httputil.ReverseProxy{Transport: by, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&wardenURL) }}
	s := &http.Server{Addr: listen, Handler: getOnly(pass), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot pass metrics on: %w", err)
	}
	return nil
}

func getOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != metricsPath {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
