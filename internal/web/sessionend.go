package web

import "time"

// sessionEnd is when the session of a page's visitor ends, for the warning before
// that. A page that is open does not keep its session alive.
type sessionEnd struct {
	Idle, Left     int64  // seconds from now: without another request, and whatever happens
	Before, After  string // the warning, around the time
	IdleAt, LastAt string // the two moments, of which IdleAt is empty where it is not the earlier
}

// sessionEnd tells the visitor's page when its session ends.
func (s *screen) sessionEnd(v *consoleView) sessionEnd {
	dec, rules := s.self.Decision, s.h.door.Rules
	last := dec.Claims.Expires
	if end := dec.Claims.SignedIn.Add(rules.Lifetime); end.Before(last) {
		last = end
	}
	idle := dec.Now.Add(rules.Idle)
	e := sessionEnd{Idle: seconds(rules.Idle), Left: seconds(last.Sub(dec.Now)), LastAt: v.minute(last)}
	e.Before, e.After = around(v.T("session.warn", "Time", timeMark))
	if idle.Before(last) {
		e.IdleAt = v.minute(idle)
	}
	return e
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
