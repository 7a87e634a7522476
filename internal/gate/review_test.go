package gate_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// explain records a visit from an address and explains it.
func (w *world) explain(address string) *gate.Explanation {
	w.Helper()
	q := w.from(address)
	dec := w.door.Decide(q)
	reference := w.door.Record(q, &dec)
	var e *gate.Explanation
	eventually(w, "the record is stored", func() (found bool) {
		var err error
		e, err = w.Explain(w.Context(), w.actor(gate.RoleReviewer), w.acme.ID, reference)
		return err == nil
	})
	return e
}

// TestExplainPast follows one address through the life of its entry.
func TestExplainPast(t *testing.T) {
	w := newWorld(t)
	began := w.clock.Now()
	if e := w.explain("198.51.100.9"); e.Before != nil {
		t.Errorf("never admitted: before is %+v", e.Before)
	}
	w.clock.advance(time.Minute)
	added := w.add("acme", gate.Draft{Range: "198.51.100.0/28", Label: "Hotel", Enabled: true, Expires: began.Add(time.Hour)})
	w.clock.advance(time.Minute)
	if e := w.explain("198.51.100.9"); e.Before != nil || e.Check.Entry == nil || !e.Now.Allowed {
		t.Errorf("admitted: before %+v, check %+v", e.Before, e.Check)
	}
	w.clock.advance(2 * time.Hour)
	expired := w.explain("198.51.100.9")
	if p := expired.Before; p == nil || p.Version != added.Version || p.Network.Label != "Hotel" || !p.Until.Equal(began.Add(time.Hour)) {
		t.Errorf("after it has ended: before is %+v", p)
	}
	if len(expired.Check.Off) != 1 || expired.Check.Off[0].Label != "Hotel" {
		t.Errorf("after it has ended: off is %+v", expired.Check.Off)
	}

	w.add("acme", gate.Draft{Range: "198.51.100.9", Label: "Wu Min", Enabled: true})
	w.clock.advance(time.Minute)
	removed := w.clock.Now()
	if _, err := w.RemoveNetwork(t.Context(), command, w.acme.ID, "198.51.100.9", gate.EditOptions{Accept: []string{gate.AcceptFewAdmins}}); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Minute)
	e := w.explain("198.51.100.9")
	if p := e.Before; p == nil || p.Version != added.Version+1 || p.Network.Label != "Wu Min" || !p.Until.Equal(removed) {
		t.Errorf("after it was removed: before is %+v", p)
	}
	var before string
	for _, s := range e.Steps {
		if s.Name == "before" {
			before = s.Detail
		}
	}
	if !strings.Contains(before, `"Wu Min"`) {
		t.Errorf("the step says %q", before)
	}
	if e.Address.Blocked != 3 || e.Address.SignIns != 0 {
		t.Errorf("what else came from the address: %+v, want 3 blocked", e.Address)
	}
}

// TestExplainPeople counts what the admin and the address did besides.
func TestExplainPeople(t *testing.T) {
	w := newWorld(t)
	admin := w.person("li.na", gate.RoleMember)
	if _, err := w.login(w.from(inside), "li.na", "wrong"); err == nil {
		t.Fatal("a wrong password was right")
	}
	failed, err := w.Attempts(t.Context(), command, gate.AttemptFilter{
		Tenant: w.acme.ID, Where: []gate.Condition{{Field: gate.FieldReason, Value: string(gate.BadCredentials)}},
	})
	if err != nil || len(failed) != 1 {
		t.Fatalf("%d records, %v", len(failed), err)
	}
	e, err := w.Explain(t.Context(), w.actor(gate.RoleOwner), w.acme.ID, failed[0].Reference)
	if err != nil {
		t.Fatal(err)
	}
	if e.Admin == nil || e.Admin.SignIns != 1 || e.Admin.Refused != 1 || e.Admin.Last.IsZero() || e.Attempt.Admin != admin.ID {
		t.Errorf("admin: %+v", e.Admin)
	}
	if e.Address.SignIns != 1 || e.Address.Refused != 1 || e.Attempt.Address != netip.MustParseAddr(inside) {
		t.Errorf("address: %+v", e.Address)
	}
}
