package deliver_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/deliver"
	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 123456000, time.UTC)

// batch is n attempts, whose references end in numbers from first on.
func batch(first, n int) *gate.Outgoing {
	out := &gate.Outgoing{
		ID: fmt.Sprintf("batch-%d", first), Slug: strings.ToLower,
		Place: func(*gate.Attempt) gate.Place { return gate.Place{Country: "SG", ASN: 64500, Network: `Example "Net"`} },
	}
	for i := range n {
		out.Attempts = append(out.Attempts, gate.Attempt{
			Reference: fmt.Sprintf("SP-%08d", first+i), Tenant: "ACME", Host: "acme.example",
			Address: netip.MustParseAddr("198.51.100.7"), Bits: 32, Peer: netip.MustParseAddr("198.51.100.7"),
			Stage: gate.StageGate, Outcome: gate.Blocked, Reason: gate.OutsideNetworks,
			Method: "GET", Path: "/reports", UserAgent: "curl/8", ListVersion: 4, Count: 3,
			FirstTime: epoch, LastTime: epoch.Add(2 * time.Second), Node: "sh-1",
		})
	}
	return out
}

func syslogTLS(t *testing.T, r *rsyslog) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func newSyslog(t *testing.T, r *rsyslog, config *tls.Config, format export.Format) *deliver.Syslog {
	s := deliver.NewSyslog(deliver.SyslogOptions{Address: r.address, TLS: config, Format: format, Facility: deliver.Facilities["authpriv"]})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestSyslog: a real server understands every part of a message.
func TestSyslog(t *testing.T) {
	const data = `[sallyport@32473 id="SP-00000001-20261124120000.123456" reference="SP-00000001" tenant="acme" host="acme.example" address="198.51.100.7" ` +
		`country="SG" network="Example \"Net\"" peer="198.51.100.7" stage="gate" outcome="blocked" reason="outside_networks" method="GET" path="/reports" ` +
		`user_agent="curl/8" list_version="4" count="3" first_time="2026-11-24T12:00:00.123456Z" last_time="2026-11-24T12:00:02.123456Z" node="sh-1"]`
	for name, secured := range map[string]bool{"TCP": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			r := newRsyslog(t, secured)
			var config *tls.Config
			if secured {
				config = syslogTLS(t, r)
			}
			s := newSyslog(t, r, config, deliver.Text)
			if err := s.Deliver(t.Context(), batch(1, 700)); err != nil {
				t.Fatal(err)
			}
			got := r.understood(700)
			want := []string{"84", "2026-11-24T12:00:00.123456Z", "sh-1", "sallyport", "outside_networks", data, "blocked (outside_networks) from 198.51.100.7 at acme.example"}
			if len(got[0]) != len(want) {
				t.Fatalf("got %q", got[0])
			}
			for i := range want {
				if strings.TrimSpace(got[0][i]) != want[i] {
					t.Errorf("part %d: got %q, want %q", i, got[0][i], want[i])
				}
			}
			for i, message := range got {
				if !strings.Contains(message[5], fmt.Sprintf(`reference="SP-%08d"`, i+1)) {
					t.Fatalf("message %d is out of order: %s", i, message[5])
				}
			}
		})
	}
}

// TestSyslogWords: what visitors made up neither begins a message of its own
// nor ends a field.
func TestSyslogWords(t *testing.T) {
	r := newRsyslog(t, false)
	out := batch(1, 1)
	a := &out.Attempts[0]
	a.Host, a.Path, a.UserAgent = "a\n<13>1 - evil - - - - x", `/"] [evil@1 x="y`+"\x1b[31m", "\u202etxt.exe\r\n日本"
	s := newSyslog(t, r, nil, deliver.Text)
	if err := s.Deliver(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	got := r.understood(1)[0]
	data := got[5]
	for _, want := range []string{`path="/\"\] [evil@1 x=\"y\\x1b[31m"`, `user_agent="\\u202etxt.exe\\r\\n日本"`, `host="a\\n<13>1 - evil - - - - x"`} {
		if !strings.Contains(data, want) {
			t.Errorf("got %s\nwant in it %s", data, want)
		}
	}
	if !strings.HasSuffix(data, `node="sh-1"]`) {
		t.Errorf("the data was cut short: %s", data)
	}
}

// TestSyslogFormats: the message is a line of the format.
func TestSyslogFormats(t *testing.T) {
	r := newRsyslog(t, false)
	for i, tt := range []struct {
		format export.Format
		begins string
	}{
		{export.JSONLines, `{"reference":"SP-00000001"`}, {export.ECS, `{"@timestamp":`}, {export.OCSF, `{"`}, {export.CEF, "CEF:0|Sallyport|"},
	} {
		s := newSyslog(t, r, nil, tt.format)
		if err := s.Deliver(t.Context(), batch(1, 1)); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(r.understood(i + 1)[i][6]); !strings.HasPrefix(got, tt.begins) {
			t.Errorf("%s: got %s, want %s …", tt.format, got, tt.begins)
		}
	}
}

// TestSyslogAway: a server that is killed and comes back gets what it could not
// take, and what it had not read.
func TestSyslogAway(t *testing.T) {
	r := newRsyslog(t, false)
	s := newSyslog(t, r, nil, deliver.Text)
	if err := s.Deliver(t.Context(), batch(1, 1)); err != nil {
		t.Fatal(err)
	}
	r.understood(1)
	path := r.cmd.Path
	r.kill()
	if err := s.Deliver(t.Context(), batch(2, 1)); err == nil {
		t.Fatal("a dead server is said to have taken a batch")
	}
	r.start(path)
	if err := s.Deliver(t.Context(), batch(2, 1)); err != nil {
		t.Fatal(err)
	}
	if got := r.understood(2); !strings.Contains(got[1][5], "SP-00000002") {
		t.Errorf("got %s", got[1][5])
	}
}

// TestSyslogTrust: a server whose certificate nobody vouches for gets nothing.
func TestSyslogTrust(t *testing.T) {
	r := newRsyslog(t, true)
	s := newSyslog(t, r, &tls.Config{MinVersion: tls.VersionTLS12}, deliver.Text)
	err := s.Deliver(t.Context(), batch(1, 1))
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want an error about the certificate", err)
	}
}

// TestSyslogSilent: a server that reads nothing holds nobody up for longer than
// it is given, and has not taken what it did not read.
func TestSyslogSilent(t *testing.T) {
	l := listen(t)
	s := deliver.NewSyslog(deliver.SyslogOptions{Address: l.Addr().String(), Format: deliver.Text, Facility: 10})
	defer s.Close()
	out := batch(1, 60_000) // more than both machines hold for a reader
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := s.Deliver(ctx, out); err == nil {
		t.Error("a server that reads nothing is said to have taken a batch")
	}
	// Most of it is writing so many messages, under the race detector; without an
	// end it would be for good.
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

// TestSyslogUnread: what a server had not read when it was cut off is sent again.
func TestSyslogUnread(t *testing.T) {
	l := listen(t)
	accepted := accept(t, l)
	s := deliver.NewSyslog(deliver.SyslogOptions{Address: l.Addr().String(), Format: deliver.Text, Facility: 10})
	defer s.Close()
	if err := s.Deliver(t.Context(), batch(1, 1)); err != nil {
		t.Fatal(err)
	}
	(<-accepted).Close() // with unread data: the other side is reset
	time.Sleep(50 * time.Millisecond)
	if err := s.Deliver(t.Context(), batch(2, 1)); err != nil {
		t.Fatal(err)
	}
	got := readSome(t, <-accepted)
	if first, second := strings.Index(got, "SP-00000001"), strings.Index(got, "SP-00000002"); first < 0 || second < first {
		t.Errorf("got %s, want both, in order", got)
	}
}
