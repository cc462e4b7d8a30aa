package door

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"forkgate/gate/warden/client"
)

// Warden is one connection to the process that decides. Each SSH connection has its own. *client.Client is one.
type Warden interface {
	HostKeys(context.Context) (client.HostKeysReply, error)
	Prove(context.Context, client.ProveRequest) (client.SignReply, error)
	Sign(context.Context, client.SignRequest) (client.SignReply, error)
	Identify(context.Context, client.IdentifyRequest) (bool, error)
	Assert(context.Context, client.AssertRequest) (client.AssertReply, error)
	Touch(context.Context, client.TouchRequest) error
	Untouched(context.Context, client.UntouchedRequest) error
	Untaped(context.Context, client.UntapedRequest) error
	Open(context.Context, client.OpenRequest) (*client.Session, error)
	Verb(context.Context, client.VerbRequest) ([]byte, error)
	Notify(func(client.Notice))
	Struck(ctx context.Context, session string) (client.StruckReply, error)
	Ended(ctx context.Context, session string) (client.EndedReply, error)
	Files(context.Context, client.FilesRequest) error
	Strangers(context.Context, client.StrangersRequest) error
	Close() error
}

// Config is what a door needs to know. Dial is required; zero numbers stand for the defaults beside them.
type Config struct {
	Dial             func(context.Context) (Warden, error)
	Log              *slog.Logger   // slog.Default()
	HandshakeTimeout time.Duration  // 20 s from accept to the end of authentication
	MaxStartups      int            // 100 connections that have not authenticated yet, and as many from where somebody has logged in
	KeepAlive        time.Duration  // 1 min: how often a client is asked whether it is still there
	MaxPerSource     int            // 10 of these from one IPv4 address or IPv6 /64; Unix sockets count in the total only
	Exempt           []netip.Prefix // networks that pay no penalties
	Report           time.Duration  // 1 min: how often the log and the warden are told of connections that came to nothing
	Rekey            uint64         // bytes after which a connection gets new keys; what its cipher is good for, 1 GiB at least
	Grace            time.Duration  // 10 s for connections to end by themselves when the door closes; negative: none

	// Yield is closed when somebody else accepts by the same sockets from now on; nil: never.
	Yield <-chan struct{}
}

// DialSocket dials the warden at the path of its socket.
func DialSocket(path string) func(context.Context) (Warden, error) {
	return func(context.Context) (Warden, error) {
		c, err := client.Dial(path)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
}

// Listen listens on a TCP address. Its errors say in one line what to do.
func Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: another program has this port (ss -ltnp shows which)", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("cannot listen on %s: ports below 1024 are opened by forkgate-gate.socket", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return l, nil
}

// Serve lets callers in at the listeners until ctx ends or a listener fails. Then it stops accepting and waits for the
// connections that are open, up to config.Grace. When config.Yield is closed it stops accepting as well, and waits for as long as they take: only the
// end of ctx is an end to that. It closes the listeners.
func Serve(ctx context.Context, listeners []net.Listener, config Config) error {
	d, err := newDoor(ctx, config)
	if err != nil {
		return err
	}
	reporting, enough := context.WithCancel(d.ctx)
	var telling sync.WaitGroup
	telling.Go(func() { d.report(reporting) })
	defer telling.Wait()
	defer enough()
	open, shut := context.WithCancelCause(ctx)
	defer shut(nil)
	accepting, stop := errgroup.WithContext(open)
	for _, l := range listeners {
		accepting.Go(func() error { return d.accept(stop, l) })
	}
	select {
	case <-stop.Done():
	case <-config.Yield:
		shut(errYielded)
	}
	for _, l := range listeners {
		l.Close()
	}
	err = accepting.Wait()
	if errors.Is(context.Cause(open), errYielded) {
		enough() // whoever accepts now tells how many connections there are
		d.tellOfStrangers(d.ctx)
		d.outlast(ctx)
		d.tellOfStrangers(d.ctx)
	}
	d.drain()
	return err
}

// errYielded is why a door stops accepting whose sockets somebody else serves.
var errYielded = errors.New("somebody else accepts")

// outlast waits for the connections to end, or for ctx to.
func (d *door) outlast(ctx context.Context) {
	d.mu.Lock()
	left := len(d.open)
	d.mu.Unlock()
	began := time.Now()
	d.Log.Info("accepts no more, and serves the connections that it has until they end", "connections", left)
	select {
	case <-d.gone():
		d.Log.Info("the last connection has ended", "connections", left, "after", time.Since(began).Round(time.Second))
	case <-ctx.Done():
	}
}

// door is the state that connections share.
type door struct {
	Config
	ctx       context.Context // outlives the one that Serve was given: a draining door still serves
	startups  *startups
	penalties *penalties
	strangers strangers
	buffers   sync.Pool // of *[bufferSize]byte

	live sync.WaitGroup // one for each connection
	mu   sync.Mutex
	open map[*connection]struct{}
}

func newDoor(ctx context.Context, config Config) (*door, error) {
	if config.Dial == nil {
		return nil, errors.New("cannot open a door without a warden")
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	setDefault(&config.HandshakeTimeout, 20*time.Second)
	setDefault(&config.KeepAlive, time.Minute)
	setDefault(&config.Report, time.Minute)
	setDefault(&config.MaxStartups, 100)
	setDefault(&config.MaxPerSource, 10)
	setDefault(&config.Grace, 10*time.Second)
	return &door{
		Config:    config,
		ctx:       context.WithoutCancel(ctx),
		startups:  newStartups(config.MaxStartups),
		penalties: newPenalties(config.Exempt),
		buffers:   sync.Pool{New: func() any { return new([bufferSize]byte) }},
		open:      map[*connection]struct{}{},
	}, nil
}

func setDefault[T int | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

// gone is closed when no connection is left. Nobody is let in any more.
func (d *door) gone() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		d.live.Wait()
		close(ended)
	}()
	return ended
}

// drain waits for the connections to end, and ends those that do not within the grace.
func (d *door) drain() {
	ended := d.gone()
	select {
	case <-ended:
		return
	case <-time.After(d.Grace):
	}
	d.mu.Lock()
	left := slices.Collect(maps.Keys(d.open))
	d.mu.Unlock()
	for _, c := range left {
		c.hangUp(errDoorClosed)
	}
	<-ended
}
