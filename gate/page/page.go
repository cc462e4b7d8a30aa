package page

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"forkgate/gate/archive"
	"forkgate/gate/audit"
	"forkgate/gate/tape"
)

// Config is where a page has from what it shows.
type Config struct {
	// List lists the recordings; skip hears of what cannot be read.
	List func(skip func(path string, err error)) ([]archive.Recording, error)
	// Open opens the file of one of them.
	Open func(archive.Recording) (io.ReadCloser, error)
	// Read begins to read what such a file, or its beginning, holds.
	Read func(io.Reader) (*tape.Reader, error)
	// Live reports whether a session runs.
	Live func(session string) bool
	// Log is the audit log.
	Log Log
}

// Log says what the audit log has of sessions. audit.Index is one.
type Log interface {
	Read() error // takes in what is new
	Took(session string) (time.Duration, bool)
	Of(session string) ([]audit.Line, error)
}

// Server answers for one page. Its zero value refuses everybody.
type Server struct {
	config                   Config
	token, name, cookie, key string // secrets, but for the cookie's name
	most                     int64  // bytes of a recording that are played
	routes                   http.ServeMux

	mu    sync.Mutex
	known map[string]archive.Recording // as they were listed last
}

// KeyHeader is the header in which the page sends its key.
const KeyHeader = "Forkgate-Key"

//go:embed assets
var assets embed.FS

// New is a server with secrets of its own.
func New(c Config) *Server {
	s := &Server{config: c, token: rand.Text(), name: "forkgate-" + rand.Text()[:8], cookie: rand.Text(), key: rand.Text(), most: mostTape}
	for path, file := range map[string]string{
		"/{$}": "index.html", "/app.js": "app.js", "/view.js": "view.js", "/style.css": "style.css", "/icon.svg": "icon.svg",
		"/player.js": "player/asciinema-player.min.js", "/player.css": "player/asciinema-player.css",
	} {
		s.routes.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, assets, "assets/"+file) })
	}
	for path, answer := range map[string]http.HandlerFunc{"/api/recordings": s.list, "/api/recordings/{id}": s.one, "/cast/{id}": s.cast} {
		s.routes.HandleFunc("GET "+path, s.withKey(answer))
	}
	return s
}

// Path is what leads in, behind the server's address: to a session, or to the list of all where that is empty. It is a secret.
func (s *Server) Path(session string) string {
	q := url.Values{"token": {s.token}}
	if session != "" {
		q.Set("session", session)
	}
	return "/?" + q.Encode()
}

// Serve answers until ctx ends, and lets those finish who are being answered, for two seconds.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{Handler: s, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	ended := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		patience, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer stop()
		err := h.Shutdown(patience)
		if errors.Is(err, context.DeadlineExceeded) {
			err = h.Close()
		}
		ended <- err
	})()
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}

// ServeHTTP refuses whoever is not let in, before anything else is looked at.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	confine(w.Header())
	switch {
	case !loopback(r.Host):
		http.Error(w, "forkgate: this is no name of mine; ask for 127.0.0.1", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "forkgate: recordings are to be read", http.StatusMethodNotAllowed)
	case r.URL.Path == "/" && same(r.URL.Query().Get("token"), s.token):
		s.enter(w, r)
	case !s.hasCookie(r):
		http.Error(w, "forkgate: open the address that forkgate replay --web has printed", http.StatusForbidden)
	default:
		s.routes.ServeHTTP(w, r)
	}
}

// confine has the browser load, run and tell nothing else. The player is WebAssembly, and sets styles by script alone.
func confine(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; font-src 'self'; img-src 'self'; "+
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
}

// loopback reports whether a Host header names loopback itself. The port may be that of a tunnel.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	at, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && at.IsLoopback()
}

// enter gives a cookie, and the key behind a #, which browsers keep to themselves.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: s.name, Value: s.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	to := url.Values{"key": {s.key}}
	if session := r.URL.Query().Get("session"); session != "" {
		to.Set("session", session)
	}
	http.Redirect(w, r, "/#"+to.Encode(), http.StatusSeeOther)
}

func (s *Server) hasCookie(r *http.Request) bool {
	c, err := r.Cookie(s.name)
	return s.name != "" && err == nil && same(c.Value, s.cookie)
}

func (s *Server) withKey(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !same(r.Header.Get(KeyHeader), s.key) {
			fail(w, http.StatusForbidden, errors.New("open the address that forkgate replay --web has printed"))
			return
		}
		next(w, r)
	}
}

// same compares secrets. No secret is the same as nothing.
func same(got, secret string) bool {
	return secret != "" && subtle.ConstantTimeCompare([]byte(got), []byte(secret)) == 1
}
