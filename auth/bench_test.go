package auth

import (
	"net/http"
	"testing"
)

// BenchmarkVerify shows that the time of a sign-in does not tell whether the
// account exists.
func BenchmarkVerify(b *testing.B) {
	h := NewHasher(1, 1)
	encoded, err := h.Hash(b.Context(), "correct horse battery")
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name, password, encoded string
		want                    bool
	}{
		{"right password", "correct horse battery", encoded, true},
		{"wrong password", "wrong horse battery", encoded, false},
		{"unknown account", "wrong horse battery", "", false},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := h.Verify(b.Context(), bb.password, bb.encoded); err != nil || ok != bb.want {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkSession(b *testing.B) {
	keys := testKeys(b)
	token, err := keys.SignSession(testClaims())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := keys.SignSession(testClaims()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := keys.VerifySession(token, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify cached", func(b *testing.B) {
		cache := NewCache(1 << 14)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := cache.Verify(keys, token, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify cached parallel", func(b *testing.B) {
		cache := NewCache(1 << 14)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := cache.Verify(keys, token, now); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkAssertion(b *testing.B) {
	keys := testAssertionKeys(b)
	token, err := keys.Sign(testAssertion())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("sign", func(b *testing.B) {
		for b.Loop() {
			if _, err := keys.Sign(testAssertion()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := VerifyAssertion(token, keys.JWKS(), "acme", "https://acme.example", now); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCookies(b *testing.B) {
	token, err := testKeys(b).SignSession(testClaims())
	if err != nil {
		b.Fatal(err)
	}
	line := []string{"theme=dark; _ga=GA1.1.123456789.1700000000; " + SessionCookie + "=" + token + "; lang=en"}
	b.Run("find", func(b *testing.B) {
		h := http.Header{"Cookie": line}
		b.ReportAllocs()
		for b.Loop() {
			if _, found, err := FindCookie(h, SessionCookie); !found || err != nil {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("strip", func(b *testing.B) {
		h := http.Header{}
		b.ReportAllocs()
		for b.Loop() {
			h["Cookie"] = line
			StripCookies(h, SessionCookie, StepCookie)
		}
	})
}

func BenchmarkSealer(b *testing.B) {
	s := testSealer(b, 1)
	sealed := s.Seal("totp", "ADMIN", []byte(rfcSecret))
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Open("totp", "ADMIN", sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("MAC", func(b *testing.B) {
		for b.Loop() {
			s.MAC("login", "li.na")
		}
	})
}
