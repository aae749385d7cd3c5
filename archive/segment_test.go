package archive

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/store"
)

// someRecords are of all kinds.
func someRecords() (records []record) {
	for i := range 6 {
		c, v := cellOf(int64(60*i), values(i, 1+30*(i%2)))
		r := record{kind: byte(1 + i%3), series: seriesOf([]string{"plain", "p\x00;a=b", "m;x=ü"}[i%3], 60), step: 60, start: int64(60 * (i - 2))}
		r.series.Input = i%2 == 0
		if r.kind != kindCell {
			r.ids = []uint64{uint64(i) << 40}
		}
		if r.kind == kindMerged {
			r.step, r.start, r.ids = 900, -900, append(r.ids, 1, 2, 3)
		}
		r.data = cell.AppendBinary(nil, &c, v)
		records = append(records, r)
		if i == 3 {
			records = append(records, record{kind: kindDrop, series: store.Series{Name: "m;x=ü"}})
		}
	}
	return records
}

func encodeAll(records []record, salt uint32) (b []byte, ends []int) {
	for i := range records {
		b = appendRecord(b, &records[i], salt, int64(len(b)))
		ends = append(ends, len(b))
	}
	return b, ends
}

// parsed returns what a segment holds.
func parsed(b []byte, salt uint32) (records []record, d damage) {
	d = parseSegment(b, salt, func(r *record) {
		x := *r
		x.data = bytes.Clone(x.data)
		records = append(records, x)
	})
	return records, d
}

func TestSegmentRoundTrip(t *testing.T) {
	want := someRecords()
	b, _ := encodeAll(want, 77)
	got, d := parsed(b, 77)
	if d != (damage{}) || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %+v, want %+v", got, d, want)
	}
	for i := range want {
		if n := len(appendRecord(nil, &want[i], 0, 0)); n > recordBound(&want[i].series, len(want[i].data))+10*len(want[i].ids) {
			t.Errorf("record %d has %d bytes", i, n)
		}
	}
	if _, d := parsed(b, 78); d.torn != int64(len(b)) {
		t.Errorf("with another salt: %+v", d)
	}
}

// A segment cut anywhere has all records before the cut.
func TestSegmentTorn(t *testing.T) {
	records := someRecords()
	b, ends := encodeAll(records, 1)
	for cut := range b {
		n, end := 0, 0
		for n < len(ends) && ends[n] <= cut {
			end = ends[n]
			n++
		}
		got, d := parsed(b[:cut], 1)
		if len(got) != n || n > 0 && !reflect.DeepEqual(got, records[:n]) || d != (damage{torn: int64(cut - end)}) {
			t.Fatalf("cut at %d: %d records, %+v, want %d", cut, len(got), d, n)
		}
	}
}

// A damaged byte costs its record and no other.
func TestSegmentDamaged(t *testing.T) {
	records := someRecords()
	b, ends := encodeAll(records, 1)
	for at := range b {
		bad := bytes.Clone(b)
		bad[at] ^= 1 << (at % 8)
		n := 0
		for ends[n] <= at {
			n++
		}
		start := 0
		if n > 0 {
			start = ends[n-1]
		}
		want := append(append([]record(nil), records[:n]...), records[n+1:]...)
		size := int64(ends[n] - start)
		wantDamage := damage{records: 1, bytes: size}
		if n == len(records)-1 && at < start+recordHead {
			wantDamage = damage{torn: size} // it cannot be told from a torn one
		}
		got, d := parsed(bad, 1)
		if !reflect.DeepEqual(got, want) || d != wantDamage {
			t.Fatalf("byte %d of record %d: %d records, %+v, want %+v", at-start, n, len(got), d, wantDamage)
		}
	}
}

// A name cannot pass for a record.
func TestSegmentForged(t *testing.T) {
	inner := someRecords()[0]
	forged := appendRecord(nil, &inner, 0, 100)
	outer := inner
	outer.series.Name = strings.Repeat("x", 50) + string(forged)
	b := appendRecord(nil, &outer, 12345, 0)
	b[20] ^= 1
	if got, _ := parsed(b, 12345); len(got) != 0 {
		t.Fatalf("%+v", got)
	}
}

func FuzzSegment(f *testing.F) {
	b, ends := encodeAll(someRecords(), 9)
	f.Add(b, uint32(9))
	f.Add(b[3:], uint32(9))
	f.Add(b[:ends[1]+5], uint32(9))
	f.Add(append(bytes.Repeat([]byte{0}, 40), b...), uint32(9))
	f.Fuzz(func(t *testing.T, b []byte, salt uint32) {
		if len(b) > 1<<16 {
			return
		}
		records, d := parsed(b, salt)
		if d.bytes+d.torn > int64(len(b)) || d.records < 0 {
			t.Fatalf("%+v of %d bytes", d, len(b))
		}
		again, _ := encodeAll(records, salt)
		got, d := parsed(again, salt)
		if d != (damage{}) || len(got) != len(records) {
			t.Fatalf("%+v: %d records, want %d", d, len(got), len(records))
		}
		for i := range got {
			if fmt.Sprint(got[i]) != fmt.Sprint(records[i]) {
				t.Fatalf("%+v, want %+v", got[i], records[i])
			}
		}
	})
}

// FuzzPayload reaches behind the sums.
func FuzzPayload(f *testing.F) {
	for _, r := range someRecords() {
		f.Add(appendPayload(nil, &r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parsePayload(b)
		if err != nil {
			return
		}
		got, err := parsePayload(appendPayload(nil, &r))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(r) {
			t.Fatalf("%+v, %v, want %+v", got, err, r)
		}
	})
}

func FuzzState(f *testing.F) {
	s := newState(epoch)
	s.lost, s.risk, s.met = spans{{1, 2}, {5, 9}}, span{3, 4}, true
	f.Add(s.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		if got, err := decodeState(s.encode()); err != nil || !got.equal(&s) {
			t.Fatalf("%+v, %v, want %+v", got, err, s)
		}
	})
}
