package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// forge makes a token of any header and claims and signs it with the real key:
// what it is refused for is then not the signature.
func forge(header, claims string) string {
	signed := b64(header) + "." + b64(claims)
	mac := hmac.New(sha256.New, bytes.Repeat([]byte{2}, 32)) // "second" of testKeys
	mac.Write([]byte(signed))
	return signed + "." + b64(string(mac.Sum(nil)))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// genuine is the header and the claims of a token that is accepted.
func genuine(t testing.TB) (header, claims string) {
	t.Helper()
	token, err := testKeys(t).SignSession(testClaims())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	for _, p := range []*string{&parts[0], &parts[1]} {
		b, err := base64.RawURLEncoding.DecodeString(*p)
		if err != nil {
			t.Fatal(err)
		}
		*p = string(b)
	}
	return parts[0], parts[1]
}

// TestForge is the control of the hostile tokens: unchanged, it is accepted.
func TestForge(t *testing.T) {
	header, claims := genuine(t)
	if _, err := testKeys(t).VerifySession(forge(header, claims), now); err != nil {
		t.Errorf("%s %s: %v", header, claims, err)
	}
}

func TestHostileHeaders(t *testing.T) {
	header, claims := genuine(t)
	for name, change := range map[string][2]string{
		"algorithm none":          {`"HS256"`, `"none"`},
		"algorithm None":          {`"HS256"`, `"None"`},
		"algorithm empty":         {`"HS256"`, `""`},
		"algorithm null":          {`"HS256"`, `null`},
		"algorithm HS384":         {`"HS256"`, `"HS384"`},
		"algorithm RS256":         {`"HS256"`, `"RS256"`},
		"algorithm EdDSA":         {`"HS256"`, `"EdDSA"`},
		"algorithm small":         {`"HS256"`, `"hs256"`},
		"algorithm twice":         {`{`, `{"alg":"none",`},
		"algorithm escaped":       {`"HS256"`, `"\u0048S256"`},
		"critical header":         {`{`, `{"crit":["exp"],`},
		"unknown critical header": {`{`, `{"b64":false,"crit":["b64"],`},
		"empty critical header":   {`{`, `{"crit":[],`},
		"type JWT":                {`sallyport-session+jwt`, `JWT`},
		"type step":               {`-session`, `-step`},
		"type assertion":          {`-session`, ``},
		"type in capitals":        {`sallyport-session+jwt`, `SALLYPORT-SESSION+JWT`},
		"type with application/":  {`sallyport-session`, `application/sallyport-session`},
		"type twice":              {`{`, `{"typ":"JWT",`},
		"type list":               {`"sallyport-session+jwt"`, `["sallyport-session+jwt"]`},
		"key unknown":             {`"second"`, `"third"`},
		"key of another secret":   {`"second"`, `"first"`},
		"key empty":               {`"second"`, `""`},
		"key null":                {`"second"`, `null`},
		"key number":              {`"second"`, `2`},
		"key path":                {`"second"`, `"../../dev/null"`},
		"key in capitals":         {`"kid"`, `"KID"`},
		"key set of its own":      {`{`, `{"jwk":{"kty":"oct","k":"AA"},`},
		"key address":             {`{`, `{"jku":"https://evil.example/jwks.json",`},
		"content type":            {`{`, `{"cty":"JWT",`},
		"unknown header":          {`{`, `{"x":1,`},
		"white space":             {`,`, `, `},
		"white space behind":      {`"}`, "\"}\n"},
		"further object":          {`"}`, `"}{}`},
		"list":                    {header, `[` + header + `]`},
		"null":                    {header, `null`},
		"empty":                   {header, ``},
		"not JSON":                {header, `{`},
		"other order":             {header, `{"typ":"sallyport-session+jwt","alg":"HS256","kid":"second"}`},
		"no type":                 {`,"typ":"sallyport-session+jwt"`, ``},
		"no key":                  {`,"kid":"second"`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(header, change[0], change[1], 1)
			if changed == header {
				t.Fatalf("%q is not in %s", change[0], header)
			}
			refused(t, forge(changed, claims))
		})
	}
}

func TestHostileClaims(t *testing.T) {
	header, claims := genuine(t)
	for name, change := range map[string][2]string{
		"not before, beyond any number":  {`{`, `{"nbf":1e300,`},
		"expires in 1e18 seconds":        {`"exp":17`, `"exp":1e18,"x":17`},
		"expires in 10^18 seconds":       {`"exp":17`, `"exp":1000000000017`},
		"expires beyond an int64":        {`"exp":17`, `"exp":99999999999999999917`},
		"expires as a fraction":          {`00}`, `00.0}`},
		"expires as text":                {`"exp":1784061000`, `"exp":"1784061000"`},
		"expires below zero":             {`"exp":`, `"exp":-`},
		"never expires":                  {`"exp":`, `"x":`},
		"expires null":                   {`"exp":`, `"exp":null,"x":`},
		"issued with an exponent":        {`"iat":17`, `"iat":1e9,"x":17`},
		"issued before signed in":        {`"iat":1`, `"iat":`},
		"issued after its end":           {`"iat":17`, `"iat":18`},
		"signed in at zero":              {`"sgn":1784017800`, `"sgn":0`},
		"admin twice, theirs first":      {`{`, `{"sub":"EVIL",`},
		"admin twice, theirs last":       {`00}`, `00,"sub":"EVIL"}`},
		"admin in another case":          {`00}`, `00,"SUB":"EVIL"}`},
		"admin in another case alone":    {`"sub"`, `"Sub"`},
		"admin with a Kelvin sign":       {`{`, `{"\u212aid":1,`},
		"tenant list":                    {`"aud":"TENANT26SIGNSLONGASFROMRAN"`, `"aud":["TENANT26SIGNSLONGASFROMRAN"]`},
		"tenant null":                    {`"aud":"TENANT26SIGNSLONGASFROMRAN"`, `"aud":null`},
		"no tenant":                      {`"aud":"TENANT26SIGNSLONGASFROMRAN",`, ``},
		"session escaped":                {`"jti":"S`, `"jti":"\u0053`},
		"session empty":                  {`SESSION26SIGNSLONGASFROMRA`, ``},
		"session with a line":            {`SESSION26SIGNSLONGASFROMRA`, `S\nX`},
		"issuer":                         {`{`, `{"iss":"evil",`},
		"unknown claim":                  {`00}`, `00,"role":"owner"}`},
		"unknown empty claim":            {`00}`, `00,"":null}`},
		"two epochs":                     {`[1,22,333]`, `[1,22]`},
		"four epochs":                    {`[1,22,333]`, `[1,22,333,4]`},
		"epoch below zero":               {`[1,`, `[-1,`},
		"epochs null":                    {`[1,22,333]`, `null`},
		"address with a zone":            {`2001:db8::7`, `fe80::1%eth0`},
		"address written in another way": {`2001:db8::7`, `2001:DB8:0::7`},
		"address mapped":                 {`2001:db8::7`, `::ffff:203.0.113.7`},
		"address empty":                  {`2001:db8::7`, ``},
		"white space":                    {`,`, `, `},
		"white space behind":             {`00}`, `00} `},
		"further object":                 {`00}`, `00}{}`},
		"null":                           {claims, `null`},
		"list":                           {claims, `[]`},
		"number":                         {claims, `1`},
		"empty object":                   {claims, `{}`},
		"empty":                          {claims, ``},
		"deep":                           {claims, strings.Repeat(`[`, 500)},
		"too long":                       {`00}`, `00` + strings.Repeat(" ", 500) + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(claims, change[0], change[1], 1)
			if changed == claims {
				t.Fatalf("%q is not in %s", change[0], claims)
			}
			refused(t, forge(header, changed))
		})
	}
}

func TestHostileTexts(t *testing.T) {
	header, claims := genuine(t)
	token := forge(header, claims)
	parts := strings.Split(token, ".")
	signature := parts[2]
	// The last of 43 signs has 4 bits of the signature and 2 that are unused.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, signature[42])
	unsigned := func(header string) string { return b64(header) + "." + parts[1] + "." }
	for name, hostile := range map[string]string{
		"empty":                      "",
		"dots":                       "..",
		"one dot":                    ".",
		"one part":                   parts[0],
		"two parts":                  parts[0] + "." + parts[1],
		"four parts":                 token + "." + signature,
		"trailing dot":               token + ".",
		"no signature":               parts[0] + "." + parts[1] + ".",
		"no claims":                  parts[0] + ".." + signature,
		"no header":                  "." + parts[1] + "." + signature,
		"none, no signature":         unsigned(strings.Replace(header, "HS256", "none", 1)),
		"none, plain, no signature":  unsigned(`{"alg":"none"}`),
		"unused bits of signature":   token[:len(token)-1] + string(alphabet[last|1]),
		"unused bits of signature 2": token[:len(token)-1] + string(alphabet[last|2]),
		"short signature":            token[:len(token)-1],
		"signature of zeros":         parts[0] + "." + parts[1] + "." + strings.Repeat("A", 43),
		"padding":                    token + "=",
		"line end":                   token + "\n",
		"line within":                token[:9] + "\n" + token[9:],
		"space before":               " " + token,
		"quoted":                     `"` + token + `"`,
		"standard alphabet":          strings.NewReplacer("-", "+", "_", "/").Replace(token) + "+",
		"JSON serialization":         `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + signature + `"}`,
		"too long":                   token + strings.Repeat("A", MaxSessionToken),
		"endless":                    strings.Repeat("A", 1<<20),
		"dots without end":           strings.Repeat(".", 1<<20),
	} {
		t.Run(name, func(t *testing.T) { refused(t, hostile) })
	}
	t.Run("every other last sign", func(t *testing.T) {
		for i := range alphabet {
			if i != last {
				refused(t, token[:len(token)-1]+alphabet[i:i+1])
			}
		}
	})
}

// refused checks that a text is no token of any type, also for the cache.
func refused(t *testing.T, hostile string) {
	t.Helper()
	keys := testKeys(t)
	if c, err := keys.VerifySession(hostile, now); !errors.Is(err, ErrTokenInvalid) || c != (Claims{}) {
		t.Errorf("VerifySession: got %v, %v, want ErrTokenInvalid and no claims", c, err)
	}
	if c, err := NewCache(1).Verify(keys, hostile, now); !errors.Is(err, ErrTokenInvalid) || c != (Claims{}) {
		t.Errorf("Cache.Verify: got %v, %v, want ErrTokenInvalid and no claims", c, err)
	}
	if s, err := keys.VerifyStep(hostile, now); !errors.Is(err, ErrTokenInvalid) || s != (Step{}) {
		t.Errorf("VerifyStep: got %v, %v, want ErrTokenInvalid and no step", s, err)
	}
}

// TestTypesDoNotMix: a token of one type, genuine as it is, is none of another,
// though the same keys sign two of them.
func TestTypesDoNotMix(t *testing.T) {
	keys, assertions := testKeys(t), testAssertionKeys(t)
	s, err1 := keys.SignSession(testClaims())
	p, err2 := keys.SignStep(testStep())
	a, err3 := assertions.Sign(testAssertion())
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	verifiers := map[string]func(string) error{
		"session": func(token string) error { _, err := keys.VerifySession(token, now); return err },
		"step":    func(token string) error { _, err := keys.VerifyStep(token, now); return err },
		"assertion": func(token string) error {
			_, err := VerifyAssertion(token, assertions.JWKS(), "acme", "https://acme.example", now)
			return err
		},
	}
	for kind, token := range map[string]string{"session": s, "step": p, "assertion": a} {
		for as, verify := range verifiers {
			err := verify(token)
			if kind == as && err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			if kind != as && !errors.Is(err, ErrTokenInvalid) {
				t.Errorf("%s as %s: got %v, want ErrTokenInvalid", kind, as, err)
			}
		}
	}
}

// TestOtherAlgorithms signs genuine claims with other algorithms, properly.
func TestOtherAlgorithms(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Repeat([]byte{2}, 32)
	for _, tt := range []struct {
		method jwt.SigningMethod
		key    any
	}{
		{jwt.SigningMethodHS384, secret},
		{jwt.SigningMethodHS512, secret},
		{jwt.SigningMethodRS256, private},
		{jwt.SigningMethodPS256, private},
		{jwt.SigningMethodEdDSA, testAssertionKeys(t).key},
		{jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType},
	} {
		t.Run(tt.method.Alg(), func(t *testing.T) {
			c := testClaims()
			token := jwt.NewWithClaims(tt.method, c.encode())
			token.Header["typ"], token.Header["kid"] = sessionKind.typ, "second"
			text, err := token.SignedString(tt.key)
			if err != nil {
				t.Fatal(err)
			}
			refused(t, text)
		})
	}
}
