package caddymodule

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// problem is an answer to a request that is turned away before the gate is
// asked (RFC 9457). It is written here and not returned as an error: Caddy's
// error routes may lead to the console behind.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Reason string `json:"reason,omitempty"`

	retryAfter int // seconds
}

var (
	methodNotAllowed = problem{
		Type: "urn:sallyport:problem:method_not_allowed", Title: "The method is not allowed here", Status: http.StatusMethodNotAllowed,
		Detail: "CONNECT and TRACE are not passed on",
	}
	noPath = problem{
		Type: "urn:sallyport:problem:malformed", Title: "The request cannot be read", Status: http.StatusBadRequest,
		Detail: "its target is not a path",
	}
	notWebsocket = problem{
		Type: "urn:sallyport:problem:upgrade", Title: "The upgrade is not allowed here", Status: http.StatusBadRequest,
		Detail: "of upgrades only websocket is passed on: send the request without",
	}
	tooEarly = problem{
		Type: "urn:sallyport:problem:too_early", Title: "The address is not proven yet", Status: http.StatusTooEarly,
		Detail: "send the request again after the TLS handshake",
	}
	unavailable = problem{
		Type: "urn:sallyport:problem:policy_unavailable", Title: "Not possible at the moment", Status: http.StatusServiceUnavailable,
		Detail: "it is not known who may enter, so nobody may; try again later", Reason: "policy_unavailable", retryAfter: 5,
	}
)

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil { // cannot happen: they are all above
		http.Error(w, p.Title, p.Status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusMethodNotAllowed { // RFC 9110 section 15.5.6
		h.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the visitor is gone; there is nobody to tell
}
