package archive

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// The journal is a row of segment files in a directory of its own:
//
//	<sequence>-<salt>.journal1   16 and 8 hexadecimal digits, 1 the format's version
//
// They are read in the order of their sequence numbers. No record is appended to a
// segment of an earlier run, and a segment is removed only when all before it are.
// So the last record of a cell is there if any is. A segment is a row of records;
// fixed integers are little-endian, sums are CRC-32C:
//
//	 0  uint32  length of the payload, at most 1 MiB
//	 4  uint32  sum of the payload
//	 8  uint32  sum of bytes 0 to 7, continued from the salt xor the record's offset
//	12  payload
//
// In a payload integers are varints (starts signed) and texts carry their length:
//
//	payload = kind, name, #methods, method..., period, flags, step, start, ids, cell
//	kind    = 1 the cell replaces what there is of the series with step and start,
//	          2 the cell is a delta, to be merged into what has to be read first;
//	            ids is its number,
//	          3 as 1, and the deltas of the numbers in ids, preceded by how many they
//	            are, have been merged into it,
//	          4 the series was dropped: nothing before it counts. Only the name follows
//	flags   = 1 for a series that was received, else 0
//	cell    = as package cell writes it, to the end
//
// A record whose payload does not verify is passed over. Where no record begins, the
// next one is looked for at every byte; senders choose names, but cannot forge a
// record in them, since the salt is random. Damage that reaches to the end of a
// segment is what a crash leaves, and was never acknowledged.
const (
	journalVersion = "1"
	recordHead     = 12
	maxPayload     = 1 << 20

	kindCell   = 1
	kindDelta  = 2
	kindMerged = 3
	kindDrop   = 4

	flagInput = 1
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// segment is a file of the journal. Guarded by Archive.mu, but for the first group,
// which does not change.
type segment struct {
	seq  uint64
	salt uint32
	path string

	size int64
	live int64 // records that a restart needs
}

var segmentName = regexp.MustCompile(`^([0-9a-f]{16})-([0-9a-f]{8})\.journal([0-9]+)$`)

func newSegment(dir string, seq uint64, salt uint32) *segment {
	name := fmt.Sprintf("%016x-%08x.journal%s", seq, salt, journalVersion)
	return &segment{seq: seq, salt: salt, path: filepath.Join(dir, name)}
}

// parseName returns the segment that name is the name of; nil if it is no segment's.
func parseName(dir, name string) (*segment, error) {
	m := segmentName.FindStringSubmatch(name)
	if m == nil {
		return nil, nil
	}
	if m[3] != journalVersion {
		return nil, fmt.Errorf("journal %s holds segments of format %s (%s), this version reads format %s: run the version that wrote them until they are in the store, or move them away",
			dir, m[3], name, journalVersion)
	}
	seq, _ := strconv.ParseUint(m[1], 16, 64)
	salt, _ := strconv.ParseUint(m[2], 16, 32)
	return &segment{seq: seq, salt: uint32(salt), path: filepath.Join(dir, name)}, nil
}

// release notes that n records are not needed any more.
func (s *segment) release(n int64) {
	if s != nil {
		s.live -= n
	}
}

// record is what a payload holds. Data shares memory with it.
type record struct {
	kind        byte
	series      store.Series
	step, start int64
	ids         []uint64
	data        []byte
}

// appendRecord appends the record at offset off of a segment to dst.
func appendRecord(dst []byte, r *record, salt uint32, off int64) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, recordHead)...)
	dst = appendPayload(dst, r)
	head, payload := dst[at:at+recordHead], dst[at+recordHead:]
	le.PutUint32(head, uint32(len(payload)))
	le.PutUint32(head[4:], crc32.Checksum(payload, castagnoli))
	le.PutUint32(head[8:], headSum(head, salt, off))
	return dst
}

// headSum returns the sum over the head of a record at offset off. Sums that begin
// differently end differently over the same bytes.
func headSum(head []byte, salt uint32, off int64) uint32 {
	return crc32.Update(salt^uint32(off), castagnoli, head[:8])
}

func appendPayload(dst []byte, r *record) []byte {
	dst = append(dst, r.kind)
	dst = appendText(dst, r.series.Name)
	if r.kind == kindDrop {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.series.Methods)))
	for _, m := range r.series.Methods {
		dst = appendText(dst, m.String())
	}
	dst = binary.AppendUvarint(dst, uint64(r.series.Period))
	flags := byte(0)
	if r.series.Input {
		flags = flagInput
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(r.step))
	dst = binary.AppendVarint(dst, r.start)
	if r.kind == kindMerged {
		dst = binary.AppendUvarint(dst, uint64(len(r.ids)))
	}
	for _, id := range r.ids {
		dst = binary.AppendUvarint(dst, id)
	}
	return append(dst, r.data...)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// recordBound returns how long a record of that series and data can be at most, with
// one id or none.
func recordBound(s *store.Series, data int) int {
	return recordHead + 64 + len(s.Name) + 32*len(s.Methods) + data
}

var errRecord = errors.New("damaged record")

// parsePayload reads a payload.
func parsePayload(b []byte) (r record, err error) {
	p := parser{b: b}
	r.kind = p.byte()
	r.series.Name = p.text()
	if r.kind == kindDrop {
		if p.bad || r.series.Name == "" || len(p.b) > 0 {
			return record{}, errRecord
		}
		return r, nil
	}
	for range p.count() {
		m, err := cell.ParseMethod(p.text())
		p.bad = p.bad || err != nil
		r.series.Methods = append(r.series.Methods, m)
	}
	r.series.Period = p.positive()
	flags := p.byte()
	r.series.Input = flags == flagInput
	r.step, r.start = p.positive(), p.signed()
	n := uint64(0)
	switch r.kind {
	case kindCell:
	case kindDelta:
		n = 1
	case kindMerged:
		n = p.count()
	default:
		p.bad = true
	}
	for range n {
		r.ids = append(r.ids, p.uint())
	}
	if p.bad || flags > flagInput || r.series.Name == "" || r.start%r.step != 0 {
		return record{}, errRecord
	}
	if _, _, rest, err := cell.Decode(p.b); err != nil || len(rest) > 0 {
		return record{}, errRecord
	}
	r.data = p.b
	return r, nil
}

// parser reads from b. After bad is set it gives zeros, but for positive.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) uint() uint64 {
	x, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.bad, p.b = true, nil
		return 0
	}
	p.b = p.b[n:]
	return x
}

func (p *parser) byte() byte {
	if len(p.b) == 0 {
		p.bad = true
		return 0
	}
	x := p.b[0]
	p.b = p.b[1:]
	return x
}

// signed reads a time.
func (p *parser) signed() int64 {
	x, n := binary.Varint(p.b)
	if n <= 0 || x < always || x > forever {
		p.bad, p.b = true, nil
		return 0
	}
	p.b = p.b[n:]
	return x
}

// positive reads a step.
func (p *parser) positive() int64 {
	x := p.uint()
	if x == 0 || x > forever {
		p.bad = true
		return 1
	}
	return int64(x)
}

// count reads how many of something follow, each of which takes a byte or more.
func (p *parser) count() uint64 {
	n := p.uint()
	if n > uint64(len(p.b)) {
		p.bad, p.b = true, nil
		return 0
	}
	return n
}

func (p *parser) text() string {
	n := p.count()
	s := string(p.b[:n])
	p.b = p.b[n:]
	return s
}

// damage is what was wrong with a segment.
type damage struct {
	records int64 // that are lost; a stretch without heads counts as one
	bytes   int64 // of them
	torn    int64 // bytes at the end that belong to no record
}

// parseSegment calls each with the intact records of a segment, in order.
func parseSegment(b []byte, salt uint32, each func(r *record)) (d damage) {
	gap := 0 // bytes since the last record
	for off := 0; off < len(b); {
		n, ok := parseHead(b[off:], salt, int64(off))
		if !ok {
			off++
			gap++
			continue
		}
		if gap > 0 {
			d.records++
			d.bytes += int64(gap)
			gap = 0
		}
		payload := b[off+recordHead : off+n]
		if r, err := parsePayload(payload); err == nil && crc32.Checksum(payload, castagnoli) == le.Uint32(b[off+4:]) {
			each(&r)
		} else {
			d.records++
			d.bytes += int64(n)
		}
		off += n
	}
	d.torn = int64(gap)
	return d
}

// parseHead returns how long the record is that b begins with, if it is one.
func parseHead(b []byte, salt uint32, off int64) (n int, ok bool) {
	if len(b) < recordHead || le.Uint32(b[8:]) != headSum(b, salt, off) {
		return 0, false
	}
	n = int(le.Uint32(b))
	return n + recordHead, n <= maxPayload && n <= len(b)-recordHead
}

// sortSegments orders segments as they were written.
func sortSegments(s []*segment) {
	slices.SortFunc(s, func(x, y *segment) int {
		return cmp.Or(cmp.Compare(x.seq, y.seq), cmp.Compare(x.salt, y.salt))
	})
}
