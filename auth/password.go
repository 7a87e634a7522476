package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Costs of argon2id: the second recommendation of RFC 9106 section 4, 64 MiB
// and 3 passes, well above the least that OWASP names (19 MiB, 2 passes). One
// lane instead of four: what an attacker pays is memory times passes and stays
// the same, and a hash keeps one core busy, so that the pool bounds cores too.
const (
	argonMemory = 64 << 10 // KiB
	argonPasses = 3
	argonLanes  = 1
	saltSize    = 16
	hashSize    = 32
)

// ErrBusy means that more passwords are being checked than may wait. Try again
// in a second or two.
var ErrBusy = errors.New("too many passwords are being checked")

// Hasher hashes passwords in a bounded pool, since each takes 64 MiB and a core
// for some tenths of a second: a flood of sign-ins must not take the memory and
// the cores that open sessions need. It may be used by many goroutines at once.
type Hasher struct {
	admitted chan struct{} // holds one sign for each that runs or waits
	running  chan struct{}
	dummy    hash // what passwords of unknown accounts are compared with
}

// NewHasher makes a pool in which parallel hashes run at once and queue wait.
// Use not more than half the cores, and 64 MiB each.
func NewHasher(parallel, queue int) *Hasher {
	h := &Hasher{
		admitted: make(chan struct{}, parallel+queue),
		running:  make(chan struct{}, parallel),
		dummy:    newHash(),
	}
	h.dummy.sum = make([]byte, hashSize)
	return h
}

// Hash returns a password's hash in the PHC string format. The error is
// [ErrBusy], or the context's when it ends while waiting.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	n := newHash()
	n.sum = n.derive(password)
	return n.String(), nil
}

// Verify tells whether a password is the one that was hashed. With an empty
// encoded, for an account that does not exist, it takes the same time and
// answers false, so that the time does not tell which accounts exist. Errors are
// those of [Hasher.Hash], or that encoded is no hash of this package or costs
// more than one may.
func (h *Hasher) Verify(ctx context.Context, password, encoded string) (ok bool, err error) {
	want := h.dummy
	if encoded != "" {
		if want, err = parseHash(encoded); err != nil {
			return false, fmt.Errorf("reading a password hash: %w", err)
		}
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	same := subtle.ConstantTimeCompare(want.derive(password), want.sum) == 1
	return same && encoded != "", nil
}

// enter takes a place in the pool: at once, or after waiting for one.
func (h *Hasher) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case h.admitted <- struct{}{}:
	default:
		return ErrBusy
	}
	select {
	case h.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-h.admitted
		return ctx.Err()
	}
}

func (h *Hasher) leave() {
	<-h.running
	<-h.admitted
}

// hash is a password's hash with what it was made of.
type hash struct {
	memory, passes uint32 // KiB; count
	lanes          uint8
	salt, sum      []byte
}

// newHash returns a hash of today's costs, with a new salt and no sum.
func newHash() hash {
	n := hash{memory: argonMemory, passes: argonPasses, lanes: argonLanes, salt: make([]byte, saltSize)}
	rand.Read(n.salt) // never fails, since Go 1.24
	return n
}

func (n hash) derive(password string) []byte {
	return argon2.IDKey([]byte(password), n.salt, n.passes, n.memory, n.lanes, hashSize)
}

// String writes the PHC string format
// (https://github.com/P-H-C/phc-string-format).
func (n hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, n.memory, n.passes, n.lanes,
		base64.RawStdEncoding.EncodeToString(n.salt), base64.RawStdEncoding.EncodeToString(n.sum))
}

// Bounds of what a stored hash may cost: who can write to the store should not
// be able to stop the gate with it.
const (
	maxMemory = 256 << 10 // KiB
	maxPasses = 10
	maxLanes  = 8
	minMemory = 8 << 10 // KiB; below, it is no hash that we or anybody should have made
)

// parseHash reads what String writes, other costs included.
func parseHash(encoded string) (n hash, err error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return n, errors.New("it is not in the form $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return n, fmt.Errorf("its costs %q are not in the form m=…,t=…,p=…", parts[3])
	}
	memory, err1 := cost(costs[0], "m=", minMemory, maxMemory)
	passes, err2 := cost(costs[1], "t=", 1, maxPasses)
	lanes, err3 := cost(costs[2], "p=", 1, maxLanes)
	salt, err4 := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	sum, err5 := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return n, err
	}
	if len(salt) < 8 || len(salt) > 64 || len(sum) != hashSize {
		return n, fmt.Errorf("salt and hash have %d and %d bytes, not 8 to 64 and %d", len(salt), len(sum), hashSize)
	}
	return hash{uint32(memory), uint32(passes), uint8(lanes), salt, sum}, nil
}

// cost reads one cost, within bounds.
func cost(text, name string, low, high uint64) (uint64, error) {
	digits, ok := strings.CutPrefix(text, name)
	v, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || v < low || v > high {
		return 0, fmt.Errorf("its cost %q is not %s%d to %s%d", text, name, low, name, high)
	}
	return v, nil
}
