package gate

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
)

// A pack is an hour of a tenant's records as one value, so that a month is some
// hundred rows to read and not a million. It has nothing that the records do not
// have, and is gone as soon as one of them changes.
//
//	version, one byte; CRC-32C of everything else, four bytes
//	what records have of stage, outcome, reason and password, each once
//	admins and hashes of logins, each pair once
//	addresses with the bits that count, each once
//	records in the order of their first time: time since the one before, span
//	and count, numbers of the above, twelve bytes of reference
//
// Numbers are written as uvarints. It is not compressed: what is left is chance.
const packVersion = 1

// packHead is the length of version and sum.
const packHead = 5

// errPack means that a pack is damaged, of another version, or of something
// else: the records have to be read.
var errPack = errors.New("the pack cannot be used")

// packSum is the sum of a pack, which is of one hour of one tenant in one state.
func packSum(h TenantHour, body []byte) uint32 {
	name := binary.AppendVarint([]byte{packVersion}, h.Hour)
	name = append(appendText(appendText(name, h.Tenant), h.Mark), packVersion)
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(name, table), table, body)
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// pack writes the records of an hour, in the order of their first time, as they
// are numbered by a table of their own.
func (t *traceTable) pack(h TenantHour, rows []traceRow) []byte {
	b := make([]byte, packHead, packHead+24*len(rows)+20*len(t.addrs.all)+64)
	b = binary.AppendUvarint(b, uint64(len(t.kinds.all)))
	for _, k := range t.kinds.all {
		for _, text := range []string{string(k.stage), string(k.outcome), string(k.reason), string(k.password)} {
			b = appendText(b, text)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(t.whos.all)))
	for _, w := range t.whos.all {
		b = appendText(appendText(b, w.admin), w.hash)
	}
	b = binary.AppendUvarint(b, uint64(len(t.addrs.all)))
	for _, a := range t.addrs.all {
		b = appendText(b, string(a.addr.AsSlice()))
		b = binary.AppendUvarint(b, uint64(a.bits))
	}
	b = binary.AppendUvarint(b, uint64(len(rows)))
	before := hourStart(h.Hour).UnixMicro()
	for i := range rows {
		r := &rows[i]
		for _, n := range [...]uint64{uint64(r.first - before), uint64(r.span), uint64(r.count), uint64(r.kind), uint64(r.who), uint64(r.addr)} {
			b = binary.AppendUvarint(b, n)
		}
		b = append(b, r.reference[:]...)
		before = r.first
	}
	return sealed(h, b)
}

// sealed fills in what goes before the body of a pack.
func sealed(h TenantHour, b []byte) []byte {
	b[0] = packVersion
	binary.LittleEndian.PutUint32(b[1:], packSum(h, b[packHead:]))
	return b
}

// unpack reads a pack, and numbers what it has by the table. What it cannot read
// to the last byte it does not believe.
func (t *traceTable) unpack(h TenantHour, pack []byte) ([]traceRow, error) {
	if len(pack) < packHead || pack[0] != packVersion || binary.LittleEndian.Uint32(pack[1:]) != packSum(h, pack[packHead:]) {
		return nil, errPack
	}
	p := &packReader{rest: pack[packHead:]}
	kinds := p.numbers(4, func() uint32 {
		return t.kinds.id(traceKind{Stage(p.bytes()), Outcome(p.bytes()), Reason(p.bytes()), PasswordCheck(p.bytes())})
	})
	whos := p.numbers(2, func() uint32 {
		admin, hash := p.bytes(), p.bytes()
		if id, ok := t.whos.ids[traceWho{string(admin), string(hash)}]; ok { // which copies nothing
			return id
		}
		return t.whos.id(traceWho{string(admin), string(hash)})
	})
	addrs := p.numbers(2, func() uint32 {
		addr, _ := netip.AddrFromSlice(p.bytes())
		bits := p.uint()
		p.bad = p.bad || bits > uint64(addr.BitLen())
		return t.addrs.id(traceAddr{addr, min(int(bits), addr.BitLen())})
	})
	rows := make([]traceRow, p.length(6+len(traceRow{}.reference)))
	before, end := hourStart(h.Hour).UnixMicro(), hourStart(h.Hour+1).UnixMicro()
	for i := range rows {
		r := &rows[i]
		r.first, r.span, r.count = before+int64(p.uint()), uint32(p.uint()), int64(p.uint())
		r.kind, r.who, r.addr = p.of(kinds), p.of(whos), p.of(addrs)
		p.rest = p.rest[copy(r.reference[:], p.rest):]
		if r.first < before || r.first >= end {
			return nil, errPack
		}
		before = r.first
	}
	if p.bad || len(p.rest) > 0 {
		return nil, errPack
	}
	return rows, nil
}

// packReader reads numbers and texts, and notes when there are none.
type packReader struct {
	rest []byte
	bad  bool
}

func (p *packReader) uint() uint64 {
	if len(p.rest) > 0 && p.rest[0] < 0x80 { // nearly all
		n := p.rest[0]
		p.rest = p.rest[1:]
		return uint64(n)
	}
	n, size := binary.Uvarint(p.rest)
	if size <= 0 {
		p.bad, p.rest = true, nil
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *packReader) bytes() []byte {
	n := p.uint()
	if n > uint64(len(p.rest)) {
		p.bad, p.rest = true, nil
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

// length is how many things follow, of at least so many bytes each.
func (p *packReader) length(least int) int {
	n := p.uint()
	if n > uint64(len(p.rest)/least) {
		p.bad, p.rest = true, nil
		return 0
	}
	return int(n)
}

// numbers reads a list.
func (p *packReader) numbers(least int, read func() uint32) []uint32 {
	all := make([]uint32, p.length(least))
	for i := range all {
		all[i] = read()
	}
	return all
}

// of reads a number, and returns what a list has for it.
func (p *packReader) of(list []uint32) uint32 {
	n := p.uint()
	if n >= uint64(len(list)) {
		p.bad = true
		return 0
	}
	return list[n]
}
