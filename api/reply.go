package api

import (
	"encoding/json"
	"net/http"
)

// Reply answers a request with a value as JSON.
func Reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // for people who read it
	e.Encode(v)
}
