package auth

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestStep(t *testing.T) {
	keys := testKeys(t)
	for _, next := range []string{"code", "enrol", "new_password"} {
		want := testStep()
		want.Next = next
		token, err := keys.SignStep(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := keys.VerifyStep(token, now)
		if err != nil || got != want {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		if _, err := keys.VerifyStep(token, want.Expires); !errors.Is(err, ErrTokenExpired) {
			t.Errorf("at its end: got %v, want ErrTokenExpired", err)
		}
		if _, err := keys.VerifyStep(token, want.Issued.Add(-2*ClockDrift)); !errors.Is(err, ErrTokenInvalid) {
			t.Errorf("before its time: got %v, want ErrTokenInvalid", err)
		}
	}
}

func TestStepReturnTo(t *testing.T) {
	keys := testKeys(t)
	for _, tt := range []struct{ name, returnTo, want string }{
		{"none", "", ""},
		{"longest", "/" + strings.Repeat("<", MaxReturnTo-1), "/" + strings.Repeat("<", MaxReturnTo-1)},
		{"too long", "/" + strings.Repeat("a", MaxReturnTo), "/"},
		{"not UTF-8", "/\xff\x00", "/\xff\x00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := testStep()
			s.ReturnTo = tt.returnTo
			token, err := keys.SignStep(s)
			if err != nil {
				t.Fatal(err)
			}
			got, err := keys.VerifyStep(token, now)
			if err != nil || got.ReturnTo != tt.want {
				t.Errorf("got %q, %v, want %q", got.ReturnTo, err, tt.want)
			}
		})
	}
}

func TestSignStepRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Step)
		want   string
	}{
		{"no ID", func(s *Step) { s.ID = "" }, "its ID has 0 bytes"},
		{"no next step", func(s *Step) { s.Next = "" }, `its next step is "", not one of`},
		{"done", func(s *Step) { s.Next = "done" }, `its next step is "done", not one of`},
		{"epoch", func(s *Step) { s.Epochs.All = -1 }, "an epoch is below zero"},
		{"too long", func(s *Step) { s.Expires = s.Issued.Add(MaxStep + time.Second) }, "longer than 1h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := testStep()
			tt.change(&s)
			if _, err := testKeys(t).SignStep(s); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
