package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// What the tests search for afterwards, in every letter case.
const (
	wuLogin = "wu.min"
	wuName  = "Wu Min"
	wuAgent = "WuBrowser/9"
)

var (
	wuAddress      = netip.MustParseAddr("2001:db8:77:1:2:3:4:5")
	wuAddressBytes = string(wuAddress.AsSlice())
)

// subjects is a store with people in every place where they can be.
type subjects struct {
	*Store
	gate *gate.Gate
	acme *gate.Tenant
	wu   gate.Actor
}

func byCommand(action string, detail any) gate.Record {
	return gate.Record{Actor: gate.Actor{Kind: gate.ActorCommand, Login: "ops"}, Action: action, At: epoch, Detail: detail}
}

func newSubjects(t *testing.T, s *Store) *subjects {
	t.Helper()
	acme := addTenant(t, s, "ACME")
	addTenant(t, s, "OTHER")
	boss := addAdmin(t, s, "ACME", "A1")
	w := &subjects{Store: s, acme: &acme, wu: gate.Actor{Kind: gate.ActorAdmin, Tenant: "ACME", Admin: "WU", Login: wuLogin, Role: gate.RoleOwner, Address: wuAddress}}
	w.person(t)
	w.records(t)
	signIn(t, s, boss, "S-BOSS", epoch)
	w.attempts(t)
	w.alerts(t)
	g, err := gate.New(t.Context(), gate.Options{Store: s, Node: "command", Now: func() time.Time { return epoch }})
	must(t, err)
	w.gate = g
	return w
}

// identity is how an admin is written in the change log.
func identity(login, name string) map[string]any {
	return map[string]any{"login": login, "name": name, "role": "owner"}
}

// person adds the admin whose data is to go.
func (w *subjects) person(t *testing.T) {
	a := gate.Admin{ID: "WU", Tenant: "ACME", Login: wuLogin, Name: wuName, Role: gate.RoleOwner, Epoch: 1, Revision: 1, Password: "x", Created: epoch}
	must(t, w.AddAdmin(t.Context(), byCommand("admin.add", map[string]any{"after": identity(wuLogin, wuName)}), a))
	w.signIn(t, a)
	mine := func(action string, detail any) gate.Record {
		return gate.Record{Actor: w.wu, Action: action, At: epoch, Detail: detail}
	}
	for i := range 3 { // of others, in which they are named
		must(t, w.NoteAccess(t.Context(), record("attempts.read"), "ACME", fmt.Sprint("x", i)))
		must(t, w.NoteAccess(t.Context(), byCommand("note", map[string]any{"reason": "for WU.MIN, who asked"}), "ACME", "x"))
	}
	must(t, w.NoteAccess(t.Context(), mine("attempts.read", nil), "ACME", "x"))
	must(t, w.EndSession(t.Context(), byCommand("session.end", map[string]any{"before": map[string]any{"login": wuLogin, "address": wuAddress}}), "S-WU"))
	must(t, w.NoteAccess(t.Context(), mine("attempts.read", nil), "OTHER", "same login elsewhere")) // actor_id is theirs, tenant is not
}

func (w *subjects) signIn(t *testing.T, a gate.Admin) {
	n := gate.Session{
		ID: "S-WU", Tenant: "ACME", Admin: a.ID, Login: a.Login, Started: epoch, LastSeen: epoch, Expires: epoch.Add(12 * time.Hour),
		Address: wuAddress, LastAddress: wuAddress, UserAgent: wuAgent,
	}
	must(t, w.SignIn(t.Context(), n, w.attempt("SP-IN", a.ID, gate.Allowed)))
}

func (w *subjects) attempt(reference, admin string, outcome gate.Outcome) gate.Attempt {
	a := attempt(reference, "ACME", epoch)
	a.Stage, a.Outcome, a.Reason, a.Admin = gate.StageSignIn, outcome, gate.ByNetwork, admin
	a.Address, a.Bits, a.UserAgent = wuAddress, 128, wuAgent
	a.Hops = []gate.Hop{{Text: wuAddress.String(), Address: wuAddress.String(), Source: "peer", Chosen: true}}
	return a
}

func (w *subjects) attempts(t *testing.T) {
	tried := w.attempt("SP-TRIED", "WU", gate.Refused) // perhaps somebody else
	tried.Address, tried.Bits, tried.Hops, tried.UserAgent = netip.MustParseAddr("192.0.2.66"), 32, nil, "curl/8"
	typed := tried
	typed.Reference, typed.Admin, typed.LoginHash, typed.Path = "SP-TYPED", "", fmt.Sprintf("%x", w.MAC("login", wuLogin)), "/people/wu.min/x"
	others := attempt("SP-OTHER", "ACME", epoch)
	others.Admin = "A1"
	list := []gate.Attempt{tried, typed, others}
	for i := range 3 {
		seen := w.attempt(fmt.Sprint("SP-SEEN", i), "WU", gate.Refused)
		seen.Stage, seen.Session, seen.FirstTime = gate.StageSession, "S-WU", epoch.Add(time.Duration(i)*time.Hour)
		list = append(list, seen)
	}
	putAll(t, w.Store, list...)
}

func (w *subjects) records(t *testing.T) {
	by := func(action string) gate.Record { return gate.Record{Actor: w.wu, Action: action, At: epoch} }
	mine := network("N1", "198.51.100.0/24", 0)
	mine.CreatedBy, mine.Note = wuLogin, "ask Wu Min first"
	version, err := w.PutNetworks(t.Context(), by("network.put"), gate.ListPut{Tenant: "ACME", Base: 1, Mode: gate.ModeOff, Networks: []gate.Network{mine}, Reason: "wu.min works at home"})
	must(t, err)
	mine.Note = "as wu.min said"
	mine.Label = "Office of WU MIN"
	_, err = w.PutNetworks(t.Context(), record("network.put"), gate.ListPut{Tenant: "ACME", Base: version, Mode: gate.ModeOff, Networks: []gate.Network{mine}, ConfirmUntil: epoch.Add(time.Hour), Reason: "for Wu Min"})
	must(t, err)
	for i, reason := range []string{"Wu Min at a hotel", "TICKET-1"} {
		e := gate.Emergency{ID: fmt.Sprint("E", i), Tenant: "ACME", Address: wuAddress, Until: epoch.Add(time.Minute), Reason: reason, Made: epoch, By: wuLogin}
		must(t, w.AddEmergency(t.Context(), byCommand("emergency.open", map[string]any{"address": wuAddress, "reason": reason}), e))
	}
	must(t, w.EndEmergency(t.Context(), byCommand("emergency.end", nil), "ACME", "E0"))
	must(t, w.AddToken(t.Context(), by("token.add"), gate.APIToken{ID: "T1", Tenant: "ACME", Name: "backup", Hash: []byte("h1"), Created: epoch, CreatedBy: wuLogin}))
	for _, r := range []gate.AccessRequest{
		{ID: "R1", Login: wuLogin, Admin: "WU"}, {ID: "R2", Login: "WU.min"}, {ID: "R3", Login: "mo", Why: "Wu Min lets me"},
	} {
		r.Tenant, r.Reference, r.Address, r.Made, r.Browser, r.State = "ACME", "SP-0000-0000", netip.MustParseAddr("192.0.2.9"), epoch, []byte(r.ID), gate.AskWaiting
		visitor := gate.Actor{Kind: gate.ActorVisitor, Address: r.Address}
		if r.ID != "R3" {
			r.Address, visitor.Address, r.UserAgent = wuAddress, wuAddress, wuAgent
		}
		_, err := w.AddAsk(t.Context(), gate.Record{Actor: visitor, Action: "request.add", At: epoch, Detail: map[string]any{"address": r.Address, "login": "", "state": "waiting"}}, r, 9)
		must(t, err)
	}
	limit := gate.Throttle{Attempts: 9, Within: time.Hour, Lock: time.Hour}
	_, err = w.Reserve(t.Context(), [][]byte{w.MAC("throttle account", "ACME\x00"+wuLogin)}, limit, epoch)
	must(t, err)
}

func (w *subjects) alerts(t *testing.T) {
	setAlerts(t, w.Store)
	e := alertEvent(1, gate.AlertNewAddress, 0)
	e.Item.Who, e.Item.Address = wuLogin, wuAddress
	again := e
	again.Pos = 2
	must(t, w.NoteAlerts(t.Context(), gate.AlertBatch{Events: []gate.AlertEvent{e, again}, UpTo: 2}))
}

// remove takes the admin away, as has to come first.
func (w *subjects) remove(t *testing.T) {
	must(t, w.RemoveAdmin(t.Context(), byCommand("admin.remove", map[string]any{"before": identity(wuLogin, wuName)}), "WU"))
}

func (w *subjects) verified(t *testing.T) gate.Chain {
	t.Helper()
	chain, err := w.VerifyChanges(t.Context())
	must(t, err)
	return chain
}

// found lists where the person still is, in rows of every table.
func (w *subjects) found(t *testing.T) (out []string) {
	t.Helper()
	tables, err := collect(t.Context(), w.read(), func(row scanner) (name string, err error) { err = row.Scan(&name); return name, err },
		map[bool]string{true: `SELECT name FROM sqlite_master WHERE type = 'table'`, false: `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`}[w.scrub != nil])
	must(t, err)
	for _, table := range tables {
		out = append(out, w.foundIn(t, table)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (w *subjects) foundIn(t *testing.T, table string) (out []string) {
	t.Helper()
	rows, err := w.reader.QueryContext(t.Context(), `SELECT * FROM `+table)
	must(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	must(t, err)
	for rows.Next() {
		cells, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range cells {
			to[i] = &cells[i]
		}
		must(t, rows.Scan(to...))
		for i, cell := range cells {
			data, ok := cell.([]byte)
			if !ok {
				data = fmt.Append(nil, cell)
			}
			if traces(data) != "" {
				out = append(out, table+"."+columns[i])
			}
		}
	}
	must(t, rows.Err())
	return out
}

// traces is what of the person is in some bytes; empty: nothing.
func traces(data []byte) string {
	folded := bytes.ToLower(data)
	for _, text := range []string{wuLogin, wuName, wuAgent, wuAddress.String(), wuAddressBytes} {
		if bytes.Contains(folded, bytes.ToLower([]byte(text))) || bytes.Contains(data, []byte(text)) {
			return text
		}
	}
	return ""
}

func TestEraseSubject(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		w := newSubjects(t, s)
		command := gate.Actor{Kind: gate.ActorCommand, Login: "ops"}
		if _, err := w.gate.EraseSubject(t.Context(), command, w.acme, "WU.MIN", false); !errors.Is(err, gate.ErrStillAdmin) {
			t.Fatalf("an admin: got %v, want %v", err, gate.ErrStillAdmin)
		}
		w.remove(t)
		if len(w.found(t)) < 12 {
			t.Fatalf("the person is only in %q", w.found(t))
		}
		before, old := w.verified(t), w.downloaded(t)
		dry, err := w.gate.EraseSubject(t.Context(), command, w.acme, wuLogin, true)
		must(t, err)
		equal(t, "nothing changed", w.verified(t), before)

		done, err := w.gate.EraseSubject(t.Context(), command, w.acme, "Wu.Min", false)
		must(t, err)
		equal(t, "as was said before", done.Erased, dry.Erased)
		equal(t, "attempts and requests", [2]int64{done.Erased.Attempts, done.Erased.Requests}, [2]int64{6, 2})
		equal(t, "mentions", done.Mentions, []gate.Mention{
			{Tenant: "ACME", Where: "network", ID: "N1", Field: "label"}, {Tenant: "ACME", Where: "network", ID: "N1", Field: "note"},
		})
		// For whom the other emergency was nobody knows.
		equal(t, "where the person still is", w.found(t), []string{"change_log.detail", "emergencies.address", "networks.label", "networks.note"})
		equal(t, "texts", w.verified(t).Erased, done.Erased.Texts)
		w.recorded(t, done.Erased)
		w.left(t)
		for _, c := range []struct {
			file   string
			erased int64
		}{{old, 0}, {w.downloaded(t), done.Erased.Texts - 2}} { // two are in another tenant's
			got, err := gate.VerifyChangeFile(strings.NewReader(c.file))
			must(t, err)
			equal(t, "texts erased in a file", got.Erased, c.erased)
		}

		if _, err := w.gate.EraseSubject(t.Context(), command, w.acme, wuLogin, false); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("again by login: got %v, want %v", err, gate.ErrNotFound)
		}
		again, err := w.gate.EraseSubject(t.Context(), command, w.acme, "WU", false)
		must(t, err)
		equal(t, "again by id", again.Erased, gate.SubjectErasure{})
		if _, err := w.gate.EraseSubject(t.Context(), w.wu, w.acme, "WU", false); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("not by a command: got %v", err)
		}
	})
}

// downloaded is the change log of the tenant as a file.
func (w *subjects) downloaded(t *testing.T) string {
	t.Helper()
	var file bytes.Buffer
	must(t, w.gate.WriteChanges(t.Context(), gate.Actor{Kind: gate.ActorCommand}, "ACME", &file))
	return file.String()
}

// recorded checks what the change log says of the erasure.
func (w *subjects) recorded(t *testing.T, sum gate.SubjectErasure) {
	t.Helper()
	all := w.changes(t, gate.ChangeFilter{Kind: gate.ChangeSubject})
	var texts int64
	for i := range all {
		texts += gate.TextsErasedBy(&all[i])
		if c := &all[i]; c.Subject != "WU" || c.Actor != "ops" || traces(c.Detail) != "" {
			t.Errorf("the erasure is recorded as %+v", c)
		}
	}
	if texts != sum.Texts || all[0].Action != "subject.erased" || !strings.Contains(string(all[0].Detail), `"attempts":6,"requests":2`) {
		t.Errorf("%d texts are on record, and last %s %s; want %+v", texts, all[0].Action, all[0].Detail, sum)
	}
}

// left checks that what is others' stays.
func (w *subjects) left(t *testing.T) {
	t.Helper()
	list, err := w.Attempts(t.Context(), gate.AttemptFilter{Tenant: "ACME"})
	must(t, err)
	for _, a := range list {
		got := fmt.Sprint(a.Admin, " ", a.Address, " ", a.Path)
		want := map[string]string{"SP-OTHER": "A1 198.51.100.7 /reports", "SIGNIN-S-BOSS": "A1 198.51.100.7 /reports", "SP-TRIED": " 192.0.2.66 /reports", "SP-TYPED": " 192.0.2.66 /people/[erased]/x"}[a.Reference]
		if want == "" {
			want = " invalid IP /reports"
		}
		if got != want || a.LoginHash != "" {
			t.Errorf("%s: got %q, want %q", a.Reference, got, want)
		}
	}
	changes := w.changes(t, gate.ChangeFilter{Tenant: "ACME"})
	for i := range changes {
		if c := &changes[i]; c.Action == "attempts.read" && c.ActorID == "ADMIN" && len(c.Erased()) > 0 || strings.Contains(string(c.Detail), `"role":""`) {
			t.Errorf("too much was erased: %+v", c)
		}
	}
	r, err := w.Ask(t.Context(), "R3")
	must(t, err)
	equal(t, "another's request", r.Why, "[erased] lets me")
	v, err := w.List(t.Context(), "ACME", 2)
	must(t, err)
	equal(t, "an old version", fmt.Sprint(v.By, ", ", v.Reason, ", ", v.Networks[0].CreatedBy, ", ", v.Networks[0].Note), "[erased], [erased] works at home, [erased], ask [erased] first")
}

// Somebody who runs the gateway is named in the tenants of others, where another
// may have the same login.
func TestEraseOperator(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		w := newSubjects(t, s)
		operator := addTenant(t, s, "OPERATOR")
		a := gate.Admin{ID: "ZW", Tenant: "OPERATOR", Login: wuLogin, Role: gate.RoleOwner, Epoch: 1, Revision: 1, Password: "x", Created: epoch}
		must(t, s.AddAdmin(t.Context(), byCommand("admin.add", map[string]any{"after": identity(wuLogin, "")}), a))
		visitor := gate.Record{Actor: gate.Actor{Kind: gate.ActorAdmin, Admin: "ZW", Login: wuLogin + "@operator", Visiting: true}, Action: "operator.visit", At: epoch}
		must(t, s.NoteAccess(t.Context(), visitor, "OTHER", "x"))
		must(t, s.NoteAccess(t.Context(), byCommand("note", map[string]any{"reason": "Wu.Min@operator asked, not wu.min"}), "OTHER", "x"))
		must(t, s.RemoveAdmin(t.Context(), byCommand("admin.remove", map[string]any{"before": identity(wuLogin, "")}), "ZW"))
		done, err := w.gate.EraseSubject(t.Context(), gate.Actor{Kind: gate.ActorCommand}, &operator, wuLogin, false)
		must(t, err)
		equal(t, "erased", done.Erased, gate.SubjectErasure{Changes: 4, Texts: 4})
		equal(t, "texts", w.verified(t).Erased, int64(4))
		equal(t, "records", len(w.changes(t, gate.ChangeFilter{Tenant: "OTHER", Kind: gate.ChangeSubject})), 1)
		for _, c := range w.changes(t, gate.ChangeFilter{Tenant: "ACME"}) {
			if len(c.Erased()) > 0 {
				t.Errorf("what another did with the same login was erased: %+v", c)
			}
		}
	})
}

func (w *subjects) changes(t *testing.T, f gate.ChangeFilter) []gate.Change {
	t.Helper()
	all, err := w.Changes(t.Context(), f)
	must(t, err)
	return all
}

// A login that was typed and is nobody's is no word that others may not use.
func TestEraseTypedLogin(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		w := newSubjects(t, s)
		typed := attempt("SP-T", "ACME", epoch)
		typed.LoginHash = fmt.Sprintf("%x", w.MAC("login", "hotel"))
		putAll(t, s, typed)
		r := ask("R9", "b9", epoch)
		r.Login, r.Admin = "Hotel", ""
		_, err := s.AddAsk(t.Context(), byCommand("request.add", map[string]any{"address": r.Address, "login": ""}), r, 9)
		must(t, err)
		done, err := w.gate.EraseSubject(t.Context(), gate.Actor{Kind: gate.ActorCommand}, w.acme, "hotel", false)
		must(t, err)
		equal(t, "erased", done.Erased, gate.SubjectErasure{Changes: 1, Texts: 1, Attempts: 1, Requests: 1})
		equal(t, "texts", w.verified(t).Erased, int64(1))
		if _, err := s.Ask(t.Context(), "R9"); !errors.Is(err, gate.ErrNotFound) {
			t.Errorf("the request: got %v", err)
		}
	})
}

// An erasure that is interrupted anywhere is completed by the next.
func TestEraseSubjectGoesOn(t *testing.T) {
	t.Parallel()
	command := gate.Actor{Kind: gate.ActorCommand, Login: "ops"}
	for stop := range 6 {
		s := openNew(t, newDSN["sqlite"](t))
		w := newSubjects(t, s)
		w.remove(t)
		ctx, cancel := context.WithCancel(t.Context())
		breaking := &breakingStore{Store: s, left: stop, cancel: cancel}
		g, err := gate.New(t.Context(), gate.Options{Store: breaking, Node: "command", Now: func() time.Time { return epoch }})
		must(t, err)
		_, first := g.EraseSubject(ctx, command, w.acme, wuLogin, false)
		w.verified(t)
		_, second := w.gate.EraseSubject(t.Context(), command, w.acme, wuLogin, false)
		if first != nil && second != nil || first == nil && stop < 3 {
			t.Fatalf("stopped after %d: %v, then %v", stop, first, second)
		}
		if found := w.found(t); slices.Contains(found, "change_log.actor") || slices.Contains(found, "list_versions.made_by") {
			t.Errorf("stopped after %d: still in %q", stop, found)
		}
		w.verified(t)
		cancel()
	}
}

// breakingStore cancels an erasure when it has done so many parts.
type breakingStore struct {
	*Store
	left   int
	cancel context.CancelFunc
}

func (b *breakingStore) part() {
	if b.left--; b.left < 0 {
		b.cancel()
	}
}

func (b *breakingStore) EraseChanges(ctx context.Context, rec gate.Record, s *gate.Subject, changes []gate.Change) error {
	for i := range changes { // one by one, so that there is more to break
		b.part()
		if err := b.Store.EraseChanges(ctx, rec, s, changes[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

func TestErasedLeavesTheFile(t *testing.T) {
	t.Parallel()
	dsn := newDSN["sqlite"](t)
	w := newSubjects(t, openNew(t, dsn))
	raw(t, w.Store, `UPDATE networks SET label = 'x', note = 'x' WHERE to_version IS NULL`)
	raw(t, w.Store, `DELETE FROM emergencies`)
	w.remove(t)
	_, err := w.gate.EraseSubject(t.Context(), gate.Actor{Kind: gate.ActorCommand}, w.acme, wuLogin, false)
	must(t, err)
	raw(t, w.Store, `DELETE FROM change_log WHERE action LIKE 'emergency%'`) // whom the other one was for nobody knows
	scrubbed, err := w.Scrub(t.Context(), false)
	must(t, err)
	equal(t, "scrubbed", scrubbed, true)
	path, _ := sqlitePath(dsn)
	for _, file := range []string{path, path + "-wal"} {
		data, err := os.ReadFile(file)
		must(t, err)
		if text := traces(data); text != "" {
			t.Errorf("%s has %q, which was erased", file, text)
		}
	}
}

// A text that is blanked behind the program's back, as an erasure would, is found.
func TestErasureWithoutRecord(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		w := newSubjects(t, s)
		all, err := s.ChangesFrom(t.Context(), 1, 1)
		must(t, err)
		c := all[0]
		if _, err := c.Erase(func(string, string) bool { return true }); err != nil {
			t.Fatal(err)
		}
		w.verified(t)
		raw(t, s, `UPDATE change_log SET actor = '', address = NULL, detail = $1, key = NULL, leaves = $2 WHERE pos = 1`, string(c.Detail), jsonOf(c.Leaves))
		if _, err := s.VerifyChanges(t.Context()); !errors.Is(err, gate.ErrChainBroken) || !strings.Contains(err.Error(), `tenant "ACME"`) {
			t.Errorf("got %v", err)
		}
	})
}
