package gate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// changeLine is a change as a file has it: all that its hash covers, and the
// hash before it, so that each line is proof of itself and neighbours of each
// other.
type changeLine struct {
	Position int64           `json:"position"`
	ID       string          `json:"id"`
	Kind     ChangeKind      `json:"kind"`
	Action   string          `json:"action"`
	Tenant   string          `json:"tenant"` // ID
	Subject  string          `json:"subject"`
	Version  int64           `json:"version"`
	Time     string          `json:"time"`
	Actor    string          `json:"actor"`
	ActorID  string          `json:"actor_id"`
	Address  string          `json:"address"`
	Detail   json.RawMessage `json:"detail"`
	Key      []byte          `json:"key,omitempty"`    // of the salts of its texts
	Leaves   []Leaf          `json:"leaves,omitempty"` // instead, where some were erased
	Before   string          `json:"before"`
	Hash     string          `json:"hash"`
}

// changesPage is how many changes are read at once for a file.
const changesPage = 500

// WriteChanges writes a tenant's changes as lines of JSON, newest first, for
// VerifyChangeFile to check wherever the store is not.
func (g *Gate) WriteChanges(ctx context.Context, by Actor, tenant string, w io.Writer) error {
	out := json.NewEncoder(w)
	f := ChangeFilter{Tenant: tenant, Limit: changesPage}
	for {
		page, err := g.Changes(ctx, by, f)
		if err != nil {
			return err
		}
		for i := range page {
			if err := out.Encode(lineOf(&page[i])); err != nil {
				return err
			}
		}
		if len(page) < changesPage {
			return nil
		}
		f.Before = page[len(page)-1].Pos
	}
}

func lineOf(c *Change) changeLine {
	return changeLine{
		Position: c.Pos, ID: c.ID, Kind: c.Kind, Action: c.Action, Tenant: c.Tenant, Subject: c.Subject, Version: c.Version,
		Time: c.At.UTC().Format(time.RFC3339Nano), Actor: c.Actor, ActorID: c.ActorID, Address: textOf(c.Address),
		Detail: c.Detail, Key: c.Key, Leaves: c.Leaves, Before: hex.EncodeToString(c.Before), Hash: hex.EncodeToString(c.Hash),
	}
}

// ChangeFile is what was found in a file of changes.
type ChangeFile struct {
	Verified int64
	Erased   int64  // texts in them
	Newest   int64  // position of its newest change; 0: it has none
	Hash     string // of that change, to be compared with the log itself
}

// maxChangeLine bounds a line: the detail of an edit of the longest list fits.
const maxChangeLine = 16 << 20

// VerifyChangeFile checks a file that WriteChanges wrote. The error, an
// ErrChainBroken, names the first line that does not hold: it was altered, is
// out of order, or does not fit the one beside it.
func VerifyChangeFile(r io.Reader) (ChangeFile, error) {
	var f ChangeFile
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxChangeLine)
	var later *Change
	for lines.Scan() {
		c, err := readChangeLine(lines.Bytes())
		if err != nil {
			return f, fmt.Errorf("%w: line %d: %w", ErrChainBroken, f.Verified+1, err)
		}
		hash, err := HashChange(c.Before, c)
		switch {
		case err != nil:
			return f, fmt.Errorf("%w: line %d, change %d: %w", ErrChainBroken, f.Verified+1, c.Pos, err)
		case !bytes.Equal(c.Hash, hash):
			return f, fmt.Errorf("%w: line %d, change %d: its hash does not fit", ErrChainBroken, f.Verified+1, c.Pos)
		case later != nil && c.Pos >= later.Pos:
			return f, fmt.Errorf("%w: line %d, change %d: it stands below change %d", ErrChainBroken, f.Verified+1, c.Pos, later.Pos)
		case later != nil && c.Pos == later.Pos-1 && !bytes.Equal(later.Before, c.Hash):
			return f, fmt.Errorf("%w: line %d, change %d: change %d came after another", ErrChainBroken, f.Verified+1, c.Pos, later.Pos)
		}
		if later == nil {
			f.Newest, f.Hash = c.Pos, hex.EncodeToString(c.Hash)
		}
		f.Verified++
		f.Erased += c.erasedTexts()
		later = c
	}
	return f, lines.Err()
}

func readChangeLine(text []byte) (*Change, error) {
	var l changeLine
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return nil, err
	}
	at, err := time.Parse(time.RFC3339Nano, l.Time)
	if err != nil {
		return nil, err
	}
	c := &Change{
		Position: Position{Pos: l.Position, ID: l.ID}, Kind: l.Kind, Action: l.Action, Tenant: l.Tenant, Subject: l.Subject,
		Version: l.Version, At: at, Actor: l.Actor, ActorID: l.ActorID, Detail: l.Detail, Key: l.Key, Leaves: l.Leaves,
	}
	if string(l.Detail) == "null" {
		c.Detail = nil
	}
	if l.Address != "" {
		if c.Address, err = netip.ParseAddr(l.Address); err != nil {
			return nil, err
		}
	}
	if c.Before, err = hex.DecodeString(l.Before); err != nil {
		return nil, err
	}
	c.Hash, err = hex.DecodeString(l.Hash)
	return c, err
}
