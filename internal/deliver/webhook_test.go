package deliver_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-gate/sallyport/internal/deliver"
	"github.com/sallyport-gate/sallyport/internal/export"
	"github.com/sallyport-gate/sallyport/internal/gate"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G"

// receiver is a web server that checks what it is sent as a receiver should.
type receiver struct {
	*httptest.Server
	t      *testing.T
	bodies chan map[string]any
	ids    chan string
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{t: t, bodies: make(chan map[string]any, 100), ids: make(chan string, 100)}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if problem := verify(req.Header, body); problem != "" {
			t.Error(problem)
		}
		var parsed map[string]any
		if err := json.Unmarshal(body, &parsed); err != nil {
			t.Errorf("the body is no JSON: %v", err)
		}
		r.bodies <- parsed
		r.ids <- req.Header.Get("webhook-id")
		if answer != nil {
			answer(w, req)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// verify is what https://www.standardwebhooks.com asks of a receiver.
func verify(h http.Header, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	if err != nil {
		return err.Error()
	}
	at, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		return "the timestamp is " + h.Get("webhook-timestamp")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "."))
	mac.Write(body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); h.Get("webhook-signature") != want {
		return "the signature is " + h.Get("webhook-signature") + ", want " + want
	}
	if h.Get("Content-Type") != "application/json" {
		return "the content type is " + h.Get("Content-Type")
	}
	return ""
}

func newWebhook(t *testing.T, server *httptest.Server, format export.Format) *deliver.Webhook {
	t.Helper()
	u, err := deliver.CheckURL(server.URL + "/hook?key=hush")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := deliver.NewSecret(webhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	w := deliver.NewWebhook(deliver.WebhookOptions{URL: u, Secret: secret, Format: format, TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}})
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func TestWebhook(t *testing.T) {
	for format, id := range map[export.Format]func(map[string]any) any{
		export.JSONLines: func(r map[string]any) any { return r["id"] },
		export.ECS:       func(r map[string]any) any { return r["event"].(map[string]any)["id"] },
		export.OCSF:      func(r map[string]any) any { return r["metadata"].(map[string]any)["uid"] },
	} {
		t.Run(string(format), func(t *testing.T) {
			r := newReceiver(t, nil)
			w := newWebhook(t, r.Server, format)
			for range 2 { // sent again, it has the same ids
				if err := w.Deliver(t.Context(), batch(1, 3)); err != nil {
					t.Fatal(err)
				}
				if got := <-r.ids; got != "batch-1" {
					t.Errorf("got the id %s, want batch-1", got)
				}
				body := <-r.bodies
				data := body["data"].([]any)
				if body["type"] != "attempts" || len(data) != 3 {
					t.Fatalf("got %v", body)
				}
				if got, want := id(data[2].(map[string]any)), "SP-00000003-20261124120000.123456"; got != want {
					t.Errorf("got the id %v, want %v", got, want)
				}
			}
		})
	}
}

// TestWebhookRecord: a record is the one of the export, with an id.
func TestWebhookRecord(t *testing.T) {
	r := newReceiver(t, nil)
	out := batch(1, 1)
	if err := newWebhook(t, r.Server, export.JSONLines).Deliver(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	got := (<-r.bodies)["data"].([]any)[0].(map[string]any)
	delete(got, "id")
	text, err := json.Marshal(export.NewRecord(&out.Attempts[0], "acme", out.Place(nil)))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for key := range want {
		if g, w := jsonText(t, got[key]), jsonText(t, want[key]); g != w {
			t.Errorf("%s: got %s, want %s", key, g, w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d fields, want %d", len(got), len(want))
	}
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWebhookAnswers(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string // in the error; empty: none
		after  time.Duration
	}{
		"accepted":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }, "", 0},
		"an endless body": {endless, "", 0},
		"500":             {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "it answers 500 Internal Server Error", 0},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, "it answers 307 and sends elsewhere", 0},
		"asks to wait": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(503)
		}, "it answers 503", 2 * time.Minute},
		"asks to wait until": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(429)
		}, "it answers 429", time.Hour},
		"asks for nonsense": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "-5")
			w.WriteHeader(503)
		}, "it answers 503", 0},
		"cuts off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, tt.answer)
			r.Config.ErrorLog = nil
			err := newWebhook(t, r.Server, export.JSONLines).Deliver(t.Context(), batch(1, 1))
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
				t.Fatalf("got %v, want an error with %q and without the address", err, tt.want)
			}
			later, _ := errors.AsType[*gate.RetryLater](err)
			switch {
			case later == nil && tt.after != 0:
				t.Errorf("the wish to wait is lost")
			case later != nil && (later.After-tt.after).Abs() > 5*time.Second:
				t.Errorf("got %s, want %s", later.After, tt.after)
			}
		})
	}
}

// endless answers without an end.
func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write(make([]byte, 4096)); err != nil {
			return
		}
	}
}

// TestWebhookHangs: a server that takes the request and says nothing holds
// nobody up for longer than it is given.
func TestWebhookHangs(t *testing.T) {
	r := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := newWebhook(t, r.Server, export.JSONLines).Deliver(ctx, batch(1, 1))
	if err == nil || err.Error() != "it did not answer in time" {
		t.Errorf("got %v", err)
	}
}

func TestWebhookTrust(t *testing.T) {
	r := newReceiver(t, nil)
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := deliver.NewWebhook(deliver.WebhookOptions{URL: u, Format: export.JSONLines})
	if err := w.Deliver(t.Context(), batch(1, 1)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want an error about the certificate", err)
	}
}

func TestNewSecret(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		ok   bool
	}{
		"as made":       {webhookSecret, true},
		"64 bytes":      {"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 64)), true},
		"65 bytes":      {"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)), false},
		"23 bytes":      {"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)), false},
		"no prefix":     {strings.TrimPrefix(webhookSecret, "whsec_"), false},
		"not in base64": {"whsec_" + strings.Repeat("!", 40), false},
		"empty":         {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := deliver.NewSecret(tt.text)
			if (err == nil) != tt.ok {
				t.Fatalf("got %v", err)
			}
			if err == nil && s.String() != tt.text {
				t.Errorf("got %s, want %s", s, tt.text)
			}
		})
	}
}

func TestCheckURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://hooks.example.com/a?b=c": "",
		"http://hooks.example.com/":       "not encrypted",
		"ftp://hooks.example.com/":        "not encrypted",
		"https://":                        "no address",
		"hooks.example.com":               "no address",
		"https://u:p@example.com/":        "neither a user",
		"https://example.com/#x":          "neither a user",
		"https://exa mple.com/":           "no address",
		"":                                "no address",
	} {
		_, err := deliver.CheckURL(text)
		if got := err == nil; got != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
