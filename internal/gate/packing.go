package gate

import (
	"context"
	"time"
)

// PackStore keeps hours of records packed, each as one value. A store forgets it
// in the transaction that changes any of the records.
type PackStore interface {
	// HourPacks gives those hours of a tenant, from first to before end, that are
	// packed. What add is given it must not keep.
	HourPacks(ctx context.Context, tenant string, first, end int64, add func(hour int64, mark string, pack []byte)) error
	// UnpackedHours lists hours of all tenants before one that are not packed and
	// have not changed since a moment, those that changed last first.
	UnpackedHours(ctx context.Context, before int64, since time.Time, limit int) ([]TenantHour, error)
	// PackHours stores packs of hours that still have their marks, and returns how
	// many. A pack that is nil is taken away.
	PackHours(ctx context.Context, packs []HourPack) (int, error)
}

// TenantHour is an hour of a tenant's records in the state that a mark names.
type TenantHour struct {
	Tenant string
	Hour   int64
	Mark   string
}

// HourPack is an hour as it is packed. One that is empty, but not nil, means that
// the hour has too many records to be.
type HourPack struct {
	TenantHour
	Pack []byte
}

// Pace of packing, which must not hold up who records: SQLite has one writer.
const (
	packQuiet  = 2 * LongestRecord // an hour that has not changed for so long is packed
	packBatch  = 100               // hours in one transaction
	packBytes  = 1 << 20           // of one transaction, but for the last hour in it
	packRows   = 1 << 19           // records of an hour that is packed at most, some 15 MB
	packWithin = 10 * time.Second  // of one round; the rest comes a minute later
)

// PackHours packs hours that have come to rest, the newest first, if no other
// node is at it. It is one of the things that a started gate does every minute.
func (g *Gate) PackHours(ctx context.Context) error {
	now := g.now()
	for began := time.Now(); time.Since(began) < packWithin; {
		list, err := g.store.UnpackedHours(ctx, HourOf(now), now.Add(-packQuiet), packBatch)
		if err != nil || len(list) == 0 {
			return err
		}
		mine, err := g.store.Lease(ctx, "pack", g.recorder.boot.Boot, now, now.Add(choreLease))
		if err != nil || !mine {
			return err
		}
		whole, err := g.packAll(ctx, list)
		if err != nil || !whole {
			return err
		}
	}
	return nil
}

// packAll packs hours, and reports whether none of them changed meanwhile.
func (g *Gate) packAll(ctx context.Context, list []TenantHour) (whole bool, err error) {
	var packs []HourPack
	stored, size := 0, 0
	for i, h := range list {
		pack, err := packHour(ctx, g.store, h)
		if err != nil {
			return false, err
		}
		packs = append(packs, HourPack{h, pack})
		if size += len(pack); size < packBytes && i < len(list)-1 {
			continue
		}
		n, err := g.store.PackHours(ctx, packs)
		if err != nil {
			return false, err
		}
		stored += n
		packs, size = packs[:0], 0
	}
	return stored == len(list), nil
}

// packHour reads the records of an hour and packs them. Where the hour changes
// after its mark was read, what comes of it is not stored.
func packHour(ctx context.Context, store HistoryStore, h TenantHour) ([]byte, error) {
	var table traceTable
	var rows []traceRow
	n := 0
	err := store.AttemptTraces(ctx, h.Tenant, hourStart(h.Hour), hourStart(h.Hour+1), func(t Trace) {
		if n++; n <= packRows {
			rows = append(rows, table.row(&t))
		}
	})
	switch {
	case err != nil:
		return nil, err
	case n > packRows:
		return []byte{}, nil
	}
	return table.pack(h, rows), nil
}
