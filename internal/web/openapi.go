package web

import (
	"bytes"
	_ "embed"
	"encoding/json"
)

// description of the API, by OpenAPI 3.1. It is written by hand, and a test holds
// it against the routes and against every answer of the other tests.
//
//go:embed openapi.json
var description []byte

// compactDescription is the description as it is sent.
var compactDescription = func() json.RawMessage {
	var out bytes.Buffer
	if err := json.Compact(&out, description); err != nil {
		panic(err) // every test would see it
	}
	return out.Bytes()
}()

func getDescription(*call) (any, error) { return compactDescription, nil }
