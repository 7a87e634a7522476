package caddymodule

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// loggers are where an installation logs to. Caddy closes those of a
// configuration when the next one is loaded, which brings its own.
type loggers struct{ main, blocked *zap.Logger }

func newLoggers(main *zap.Logger) *loggers { return &loggers{main, main.Named("blocked")} }

// logAttempt logs every new record of somebody who did not get in, for people
// and for programs that ban addresses. Repeats within ten seconds are one
// record, and one line.
func (n *installation) logAttempt(a gate.Attempt) {
	if a.Outcome != gate.Blocked && a.Outcome != gate.Refused {
		return
	}
	if line := n.log.Load().blocked.Check(zapcore.InfoLevel, "attempt stopped"); line != nil {
		line.Write(n.fields(&a)...)
	}
}

// fields are those of the record, by the same names. What people typed, tokens
// and the query string are not among them.
func (n *installation) fields(a *gate.Attempt) []zap.Field {
	fields := []zap.Field{
		zap.String("reference", a.Reference),
		zap.Time("time", a.FirstTime),
		zap.String("tenant", n.slug(a.Tenant)),
		zap.String("host", a.Host),
		zap.String("address", addrText(a.Address)),
		zap.String("peer", addrText(a.Peer)),
		zap.String("stage", string(a.Stage)),
		zap.String("outcome", string(a.Outcome)),
		zap.String("reason", string(a.Reason)),
		zap.String("method", a.Method),
		zap.String("path", a.Path),
		zap.String("user_agent", a.UserAgent),
		zap.Int64("list_version", a.ListVersion),
		zap.String("node", a.Node),
	}
	if a.Login != "" {
		fields = append(fields, zap.String("admin", a.Login))
	}
	if a.Password != "" {
		fields = append(fields, zap.String("password", string(a.Password)))
	}
	return fields
}

// slug names a tenant as people do; empty: none.
func (n *installation) slug(id string) string {
	if g := n.gate.Load(); g != nil {
		if t := g.TenantByID(id); t != nil {
			return t.Slug
		}
	}
	return id
}

// logTrouble logs that a background task began to fail, or works again.
func (n *installation) logTrouble(task string, err error) {
	log := n.log.Load().main
	if err == nil {
		log.Info("background task works again", zap.String("task", task))
		return
	}
	log.Error("background task fails", zap.String("task", task), zap.Error(err))
}
