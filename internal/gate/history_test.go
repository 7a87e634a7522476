package gate_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// hourly are n refusals an hour apart, the last one now.
func (w *world) hourly(n int) (records []gate.Attempt) {
	for i := range n {
		at := w.clock.Now().Add(-time.Duration(n-1-i) * time.Hour)
		records = append(records, gate.Attempt{
			Reference: fmt.Sprintf("SP-%08d", i), Tenant: w.acme.ID, Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.OutsideNetworks,
			Address: netip.AddrFrom4([4]byte{8, 8, 0, byte(i)}), Bits: 32, Count: 1, FirstTime: at, LastTime: at, Boot: "OTHER", Node: "n2",
		})
	}
	return records
}

// last is a question about the last hours.
func (w *world) last(hours int) gate.Question {
	q := gate.Question{Patient: true, Group: gate.GroupAddress}
	q.Tenant, q.Since = w.acme.ID, w.clock.Now().Add(-time.Duration(hours)*time.Hour)
	return q
}

// TestHistoryIsBounded: of a span with more records than may be in memory, the
// newest are counted, and the answer says from when on.
func TestHistoryIsBounded(t *testing.T) {
	w := newWorld(t)
	w.putAttempts(w.hourly(100))
	w.BoundHistory(30)
	for range 3 { // asking again does not take more
		s, err := w.Summarize(t.Context(), command, w.last(200))
		if err != nil {
			t.Fatal(err)
		}
		if s.Complete || !s.Full || s.Records == 0 || s.Records > 30 || s.Total.Blocked != s.Records || !s.Since.After(w.clock.Now().Add(-31*time.Hour)) {
			t.Errorf("got %+v of %d records", s.Reach, s.Records)
		}
		if n := w.HeldTraces(w.acme.ID); n > 30 {
			t.Errorf("%d traces are in memory, want 30 at most", n)
		}
	}
	s, err := w.Summarize(t.Context(), command, w.last(20))
	if err != nil || !s.Complete || s.Records != 21 {
		t.Errorf("a span that fits: got %+v, %v", s, err)
	}
	// Another tenant that is reviewed takes the place of this one.
	other := w.tenant("globex", gate.ModeEnforced, "globex.example")
	records := w.hourly(25)
	for i := range records {
		records[i].Tenant, records[i].Reference = other.ID, fmt.Sprintf("SP-G%07d", i)
	}
	w.putAttempts(records)
	q := w.last(50)
	q.Tenant = other.ID
	if s, err := w.Summarize(t.Context(), command, q); err != nil || !s.Complete || s.Records != 25 {
		t.Errorf("another tenant: got %+v, %v", s, err)
	}
	if n := w.HeldTraces(w.acme.ID); n != 0 {
		t.Errorf("%d traces of who is reviewed no more are in memory", n)
	}
	eventually(t, "traces are forgotten after an hour", func() bool { // not while they are being read
		w.ForgetHistory(time.Now().Add(time.Hour))
		return w.HeldTraces(other.ID) == 0
	})
}

// TestHistoryTogether: many ask while records are made; what they are told at the
// end is all there is.
func TestHistoryTogether(t *testing.T) {
	w := newWorld(t)
	w.putAttempts(w.hourly(48))
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for range 20 {
				q := w.last(60)
				q.Patient, q.Attention = false, true
				if _, err := w.Summarize(t.Context(), command, q); err != nil {
					t.Error(err)
				}
			}
		})
	}
	more := w.hourly(10)
	for i := range more {
		more[i].Reference = fmt.Sprintf("SP-M%07d", i)
		w.putAttempts(more[i : i+1])
	}
	asking.Wait()
	if s, err := w.Summarize(t.Context(), command, w.last(60)); err != nil || !s.Complete || s.Records != 58 {
		t.Errorf("got %+v, %v; want 58 records", s, err)
	}
}

// TestHistoryGone: who gives up, or asks of a gate that has stopped, is told so.
func TestHistoryGone(t *testing.T) {
	w := newWorld(t)
	w.putAttempts(w.hourly(3))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Summarize(ctx, command, w.last(5)); !errors.Is(err, context.Canceled) {
		t.Errorf("somebody who gave up: got %v", err)
	}
	if _, err := w.Summarize(t.Context(), w.actor(gate.RoleMember), w.last(5)); !errors.Is(err, gate.ErrForbidden) {
		t.Errorf("a member: got %v", err)
	}
	g := w.node("n3")
	g.Stop()
	if _, err := g.Summarize(t.Context(), command, w.last(5)); err == nil {
		t.Error("a gate that has stopped answers")
	}
}
