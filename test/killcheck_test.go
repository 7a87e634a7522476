package test

import (
	"net/http"
	"time"
)

// check looks whether everything is there that was acknowledged before the
// program was killed, which has been started again.
func (l *load) check(rounds int) {
	l.t.Helper()
	l.checkSessions()
	l.checkList()
	if r := l.g.try("audit", "verify"); r.status != 0 {
		l.t.Errorf("audit verify: exit status %d: %s", r.status, r.errors)
	}
	l.checkRecords()
	l.checkLedger(rounds)
}

// checkSessions: who signed in is signed in, who signed out stays out. Of those
// whose sign-out was not answered both is right.
func (l *load) checkSessions() {
	for id, s := range l.sessions {
		s.visitor = s.visitor.at(l.g)
		a := s.visitor.get("/")
		var err error
		switch s.signOut {
		case idle:
			if a.status != http.StatusOK {
				l.t.Errorf("the session %s was open and is not any more: %d %s", id, a.status, a.body)
			}
		case acknowledged:
			err = a.refused(http.StatusUnauthorized, "session_revoked")
		case asked:
			if a.status != http.StatusOK {
				err = a.refused(http.StatusUnauthorized, "session_revoked")
				s.signOut = acknowledged // and it has to stay so
			}
		}
		if err != nil {
			l.t.Errorf("the session %s was ended: %v", id, err)
		}
	}
}

// checkList: what was added is there, what was removed is not, and there is
// every version up to the newest.
func (l *load) checkList() {
	var list struct {
		Version int64
		Entries []struct{ Range string }
	}
	l.g.read(&list, "network", "list", "acme")
	there := map[string]bool{}
	for _, e := range list.Entries {
		there[e.Range] = true
	}
	for text, e := range l.entries {
		switch {
		case e.remove == acknowledged && there[text]:
			l.t.Errorf("%s was removed and is there", text)
		case e.add == acknowledged && e.remove == idle && !there[text]:
			l.t.Errorf("%s was added and is not there", text)
		}
		// What was not answered has either happened or not, and that stays.
		if e.remove == asked && !there[text] {
			e.remove = acknowledged
		}
		if e.add == asked && there[text] {
			e.add = acknowledged
		}
	}
	var history struct {
		Items []struct{ Version, Added, Removed int64 }
	}
	l.g.read(&history, "network", "history", "acme", "--limit", "0")
	if int64(len(history.Items)) != list.Version {
		l.t.Errorf("%d versions are kept, and the newest is %d", len(history.Items), list.Version)
	}
	for i, v := range history.Items {
		if want := list.Version - int64(i); v.Version != want {
			l.t.Fatalf("version %d follows, want %d", v.Version, want)
		}
		want := map[bool][2]int64{true: {1, 0}, false: {0, 1}}
		if what := l.versions[v.Version]; what != "" && [2]int64{v.Added, v.Removed} != want[what[0] == 'a'] {
			l.t.Errorf("version %d has %d added and %d removed entries, and was: %s", v.Version, v.Added, v.Removed, what)
		}
	}
	for v, what := range l.versions {
		if v > list.Version {
			l.t.Errorf("version %d (%s) was acknowledged, and the newest is %d", v, what, list.Version)
		}
	}
}

// checkRecords: there is every sign-in that was acknowledged, and every refusal
// that is not younger than the last moment before the end.
func (l *load) checkRecords() {
	var signIns struct{ Items []attempt }
	l.g.read(&signIns, "attempts", "--tenant", "acme", "--outcome", "allowed", "--limit", "0")
	recorded := map[string]bool{}
	for _, a := range signIns.Items {
		recorded[a.Session] = true
	}
	for id := range l.sessions {
		if !recorded[id] {
			l.t.Errorf("the sign-in of the session %s is not on record", id)
		}
	}
	var refusals struct{ Items []attempt }
	l.g.read(&refusals, "attempts", "--tenant", "acme", "--reason", "outside_networks", "--limit", "0")
	stored := map[string]int64{}
	for _, a := range refusals.Items {
		stored[a.Address] += a.Count
	}
	for address, s := range l.strangers {
		got := stored[address]
		if got > s.sent {
			l.t.Errorf("%s was refused %d times and is on record %d times", address, s.sent, got)
		}
		if int64(len(s.answered)) > got {
			l.missing(address, s.answered[got])
			s.missing += int64(len(s.answered)) - got
			s.answered = s.answered[:got] // the others are lost for good
		}
	}
}

// missing notes that the refusals of a stranger are not on record from one on.
func (l *load) missing(address string, answered time.Time) {
	age := l.ended.Sub(answered)
	if age > lostWithin {
		l.t.Errorf("the refusal of %s is lost, and was answered %s before the end", address, age)
	}
	l.oldest = max(l.oldest, age)
}

// checkLedger: the accounts of all starts balance, those of the killed ones are
// closed, and they declare as lost what is missing and no more than was under
// way.
func (l *load) checkLedger(rounds int) {
	finished := 0
	l.lost = 0
	for _, account := range ledgersOf(l.t, l.g) {
		if account.Finished {
			finished++
		}
		l.lost += account.Lost
	}
	if finished != rounds {
		l.t.Errorf("%d accounts are closed, want those of %d starts that were killed", finished, rounds)
	}
	missing, unanswered := int64(0), l.unanswered
	for _, s := range l.strangers {
		missing += s.missing
		unanswered += s.sent - s.missing - int64(len(s.answered))
	}
	if l.lost < missing || l.lost > missing+unanswered {
		l.t.Errorf("%d refusals are missing and %d were not answered; %d are declared lost", missing, unanswered, l.lost)
	}
}
