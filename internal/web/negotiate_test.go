package web

import (
	"net/http"
	"testing"
)

func TestWantsHTML(t *testing.T) {
	tests := []struct {
		name   string
		accept []string
		want   bool
	}{
		{"nothing", nil, false},
		{"empty", []string{""}, false},
		{"curl", []string{"*/*"}, false},
		{"Chromium", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}, true},
		{"fetch", []string{"application/json"}, false},
		{"HTML alone", []string{"text/html"}, true},
		{"in capitals", []string{"TEXT/HTML"}, true},
		{"with a charset", []string{"text/html; charset=utf-8"}, true},
		{"any text", []string{"text/*"}, true},
		{"refused", []string{"text/html;q=0, */*"}, false},
		{"refused by name, any text welcome", []string{"text/*, text/html;q=0"}, false},
		{"JSON rather", []string{"text/html;q=0.5, application/json"}, false},
		{"anything rather", []string{"text/html;q=0.5, */*;q=0.8"}, false},
		{"HTML rather", []string{"application/json;q=0.8, text/html"}, true},
		{"equal", []string{"application/json, text/html"}, true},
		{"in two lines", []string{"application/json;q=0.1", "text/html"}, true},
		{"broken beside HTML", []string{";;;, text/html"}, true},
		{"q is no number", []string{"text/html;q=x"}, false},
		{"q is not a number", []string{"text/html;q=nan"}, false},
		{"q is above 1", []string{"text/html;q=7"}, false},
		{"longer name", []string{"text/htmlx"}, false},
		{"longer type", []string{"xtext/html"}, false},
		{"behind others", []string{"a/b, image/*;q=0.1 ,Text/HTML"}, true},
		{"no type", []string{"/, text, html/text"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{"Accept": tt.accept}}
			if got := wantsHTML(r); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}
