package gate_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func TestChangeFile(t *testing.T) {
	w := newWorld(t)
	w.person("li.na", gate.RoleOwner)
	w.tenant("globex", gate.ModeOff, "globex.example") // in between, and not in the file
	w.add("acme", gate.Draft{Range: "2001:db8::/48", Label: `<b>"Café" & 你好</b>`, Enabled: true})
	if _, err := w.Attempts(t.Context(), w.actor(gate.RoleOwner), gate.AttemptFilter{Tenant: w.acme.ID}); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := w.WriteChanges(t.Context(), w.actor(gate.RoleReviewer), w.acme.ID, &file); err != nil {
		t.Fatal(err)
	}
	text := file.String()
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	lines[len(lines)-1] += "\n"
	got, err := gate.VerifyChangeFile(strings.NewReader(text))
	if err != nil || int(got.Verified) != len(lines) || len(lines) < 6 || got.Newest == 0 || !strings.Contains(lines[0], got.Hash) {
		t.Fatalf("got %+v, %v of %d lines", got, err, len(lines))
	}
	if strings.Contains(text, "globex") {
		t.Error("another tenant's changes are in it")
	}
	swapped := slices.Clone(lines)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	for name, altered := range map[string]string{
		"another actor":   strings.Replace(text, `"actor":"boss"`, `"actor":"moss"`, 1),
		"another address": strings.Replace(text, inside, outside, 1),
		"another detail":  strings.Replace(text, `"role":"owner"`, `"role":"member"`, 1),
		"another time":    strings.Replace(text, `"time":"2026`, `"time":"2025`, 1),
		"another before":  strings.Replace(text, `"before":"`, `"before":"00`, 1),
		"swapped":         strings.Join(swapped, ""),
		"doubled":         lines[0] + text,
		"one more field":  strings.Replace(text, `{"position"`, `{"x":1,"position"`, 1),
		"cut off":         text[:len(text)-20],
		"no JSON":         "change\n" + text,
	} {
		if altered == text {
			t.Fatalf("%s: nothing is altered", name)
		}
		if _, err := gate.VerifyChangeFile(strings.NewReader(altered)); !errors.Is(err, gate.ErrChainBroken) {
			t.Errorf("%s: got %v, want %v", name, err, gate.ErrChainBroken)
		}
	}
	if err := w.WriteChanges(t.Context(), w.actor(gate.RoleMember), w.acme.ID, &file); !errors.Is(err, gate.ErrForbidden) {
		t.Errorf("member: got %v", err)
	}
}
