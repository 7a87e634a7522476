package web

import "github.com/sallyport-gate/sallyport/internal/gate"

// Handler serves one protected site's own pages, API and refusals.
type Handler struct{ door *gate.Door }

// New returns the Handler of a site.
func New(door *gate.Door) *Handler { return &Handler{door: door} }

// Visit is one request as the switchboard knows it.
type Visit struct {
	Request  *gate.Request
	Decision *gate.Decision
}
