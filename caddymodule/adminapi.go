package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/sallyport-gate/sallyport/cidr"
	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/sheet"
	"github.com/sallyport-gate/sallyport/internal/store"
	"github.com/sallyport-gate/sallyport/internal/web"
)

func init() { caddy.RegisterModule(new(adminAPI)) }

// adminAPI answers questions about the running gate at Caddy's admin endpoint,
// which only the people who run the machine reach.
//
//	GET /sallyport/status
//	GET /sallyport/check?tenant=acme&address=203.0.113.7[&at=2026-03-01T08:30:00Z]
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (*adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.sallyport", New: func() caddy.Module { return new(adminAPI) }}
}

// Routes implements [caddy.AdminRouter].
func (*adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/sallyport/status", Handler: caddy.AdminHandlerFunc(getStatus)},
		{Pattern: "/sallyport/check", Handler: caddy.AdminHandlerFunc(getCheck)},
	}
}

// nodeView is the state of this node.
type nodeView struct {
	Node       string           `json:"node"`
	Started    string           `json:"started"`
	Store      string           `json:"store"`
	StoreUp    bool             `json:"store_up"`
	LagSeconds float64          `json:"lag_seconds"` // since the store last answered
	Tenants    int              `json:"tenants"`
	Open       int              `json:"open_requests"`
	Position   int64            `json:"position"`         // in the change log
	Seen       int64            `json:"attempts_seen"`    // since this start
	Waiting    int64            `json:"attempts_waiting"` // of these, what is not stored yet
	Nodes      []web.NodeJSON   `json:"nodes"`            // empty while the store is away
	Ledgers    []ledgerView     `json:"ledgers"`          // empty while the store is away
	Places     []web.PlacesJSON `json:"places"`
}

func getStatus(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	install, g, err := running()
	if err != nil {
		return err
	}
	s := g.Status(r.Context())
	view := nodeView{
		Node: s.Node, Started: stamp(s.Started), Store: store.Redact(install.dsn), StoreUp: !s.StoreDown, LagSeconds: s.Lag.Seconds(),
		Tenants: s.Tenants, Open: s.Open, Position: s.Position, Seen: s.Seen, Waiting: s.Waiting, Ledgers: []ledgerView{},
		Places: web.NewPlacesJSON(g.PlacesFiles()),
	}
	nodes, now, _ := g.NodesNow(r.Context())
	view.Nodes = web.NewNodesJSON(nodes, s.Position, now)
	for i := range s.Ledgers {
		view.Ledgers = append(view.Ledgers, viewLedger(&s.Ledgers[i]))
	}
	return answer(w, view)
}

func getCheck(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "tenant", "address", "at")
	if err != nil {
		return err
	}
	address, err := cidr.ParseAddr(q.Get("address"))
	if err != nil {
		return apiError(http.StatusBadRequest, fmt.Errorf("address: %w", err))
	}
	var at time.Time
	if text := q.Get("at"); text != "" {
		var ok bool
		if at, ok = sheet.ParseTime(text); !ok {
			return apiError(http.StatusBadRequest, fmt.Errorf("at: %q is not a time: write 2006-01-02T15:04:05Z", text))
		}
	}
	_, g, err := running()
	if err != nil {
		return err
	}
	t, err := g.Tenant(r.Context(), q.Get("tenant"))
	if err != nil {
		return apiError(http.StatusNotFound, fmt.Errorf("tenant: there is none with the short name %q", q.Get("tenant")))
	}
	check, err := g.Check(r.Context(), gate.Actor{Kind: gate.ActorCommand}, t.ID, address, at)
	switch {
	case errors.Is(err, gate.ErrNotFound):
		return apiError(http.StatusNotFound, fmt.Errorf("at: %s had no list yet", t.Slug))
	case err != nil:
		return apiError(http.StatusServiceUnavailable, fmt.Errorf("asking the store: %w", err))
	}
	return answer(w, viewCheck(check))
}

// running returns the gate of the configuration in force.
func running() (*installation, *gate.Gate, error) {
	app, err := caddy.ActiveContext().AppIfConfigured("sallyport")
	if err != nil {
		return nil, nil, apiError(http.StatusNotFound, errors.New("the configuration has no sallyport"))
	}
	install := app.(*App).install
	g := install.gate.Load()
	if g == nil {
		return nil, nil, apiError(http.StatusServiceUnavailable, errors.New("the gate is not running"))
	}
	return install, g, nil
}

// query checks that the request reads, with each known parameter at most once
// and no other.
func query(r *http.Request, known ...string) (url.Values, error) {
	if r.Method != http.MethodGet {
		return nil, apiError(http.StatusMethodNotAllowed, fmt.Errorf("method %s is not allowed: use GET", r.Method))
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, apiError(http.StatusBadRequest, fmt.Errorf("reading the query: %w", err))
	}
	for name, values := range q {
		if !slices.Contains(known, name) || len(values) > 1 {
			return nil, apiError(http.StatusBadRequest, fmt.Errorf("there is no parameter %q here, or it stands twice; known are %q", name, known))
		}
	}
	return q, nil
}

func apiError(status int, err error) error { return caddy.APIError{HTTPStatus: status, Err: err} }

func answer(w http.ResponseWriter, view any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(view)
}

var _ caddy.AdminRouter = (*adminAPI)(nil)
