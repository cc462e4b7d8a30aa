package systemd

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"unicode"

	"github.com/coreos/go-systemd/v22/journal"
)

// Log is a logger to the journal where this process's standard error leads there, and to fallback elsewhere. In the journal
// an attribute session=x is the field FORKGATE_SESSION, so that journalctl FORKGATE_SESSION=x finds it.
func Log(fallback io.Writer, level slog.Leveler) *slog.Logger {
	text := slog.NewTextHandler(fallback, &slog.HandlerOptions{Level: level})
	if leads, err := journal.StderrIsJournalStream(); err != nil || !leads {
		return slog.New(text)
	}
	return slog.New(&journalHandler{level: level, fallback: text})
}

type journalHandler struct {
	level    slog.Leveler
	fallback slog.Handler // for what the journal does not take
	prefix   string       // of groups
	attrs    []slog.Attr  // their keys have their prefix already
}

func (h *journalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	sub := *h
	sub.prefix, sub.fallback = h.prefix+name+".", h.fallback.WithGroup(name)
	return &sub
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	sub := *h
	sub.attrs, sub.fallback = h.attrs[:len(h.attrs):len(h.attrs)], h.fallback.WithAttrs(attrs)
	for _, a := range attrs {
		sub.attrs = append(sub.attrs, slog.Attr{Key: h.prefix + a.Key, Value: a.Value})
	}
	return &sub
}

// Handle writes the attributes twice: as fields for those who search, in the message for those who read.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	message := new(strings.Builder)
	message.WriteString(r.Message)
	fields := map[string]string{"SYSLOG_IDENTIFIER": "forkgate"}
	for _, a := range h.attrs {
		add(message, fields, a.Key, a.Value)
	}
	r.Attrs(func(a slog.Attr) bool {
		add(message, fields, h.prefix+a.Key, a.Value)
		return true
	})
	if err := journal.Send(message.String(), priority(r.Level), fields); err != nil {
		return h.fallback.Handle(ctx, r)
	}
	return nil
}

func add(message *strings.Builder, fields map[string]string, key string, v slog.Value) {
	v = v.Resolve()
	if v.Kind() == slog.KindGroup {
		for _, a := range v.Group() {
			add(message, fields, key+"."+a.Key, a.Value)
		}
		return
	}
	text := v.String()
	fields["FORKGATE_"+fieldName(key)] = text
	message.WriteString(" " + key + "=" + quote(text))
}

// fieldName keeps to what the journal takes: a key with a newline in it would begin a field of its own.
func fieldName(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
}

// quote keeps one record on one line, and a caller's text from looking like another attribute.
func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || !unicode.IsPrint(r) }) {
		return s
	}
	return strconv.Quote(s)
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
