package web

import "net/http"

// api answers what lies under /_sallyport/api/v1/.
func (h *Handler) api(w http.ResponseWriter, r *http.Request, v Visit) {
	writeProblem(w, notFound.problem("there is no such call"))
}
