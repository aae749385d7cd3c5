package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
)

// The format of a segment; see the package comment.
const (
	headerSize  = 32
	sealPayload = 24
	sealSize    = headerSize + sealPayload
	kindSeal    = 255

	maxPayload = 1 << 20
	// recordBytes is the payload that many lines are cut to: what one damaged byte
	// costs, and what the header's cost is spread over.
	recordBytes = 64 << 10
)

var (
	magic   = []byte("CSP1")
	newline = []byte{'\n'}
	le      = binary.LittleEndian
	crc     = crc32.MakeTable(crc32.Castagnoli)
)

// header is the head of a record.
type header struct {
	length int // of the payload
	lines  int
	kind   uint8
	time   float64
	sum    uint32 // of the payload
}

// headerSum returns the sum of the first 28 bytes of a header at offset off. Sums that
// begin differently end differently over the same bytes.
func headerSum(b []byte, salt uint32, off int64) uint32 {
	return crc32.Update(salt^uint32(off), crc, b[:headerSize-4])
}

// appendRecord appends the record of payload at offset off of a segment.
func appendRecord(dst []byte, payload []byte, lines int, kind uint8, time float64, salt uint32, off int64) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = le.AppendUint32(dst, uint32(len(payload)))
	dst = le.AppendUint32(dst, uint32(lines))
	dst = append(dst, kind, 0, 0, 0)
	dst = le.AppendUint64(dst, math.Float64bits(time))
	dst = le.AppendUint32(dst, crc32.Checksum(payload, crc))
	dst = le.AppendUint32(dst, headerSum(dst[start:], salt, off))
	return append(dst, payload...)
}

// parseHeader returns the header at offset off that b begins with, if it is one.
func parseHeader(b []byte, salt uint32, off int64) (h header, ok bool) {
	if len(b) < headerSize || !bytes.HasPrefix(b, magic) || le.Uint32(b[28:]) != headerSum(b, salt, off) {
		return h, false
	}
	h = header{
		length: int(le.Uint32(b[4:])),
		lines:  int(le.Uint32(b[8:])),
		kind:   b[12],
		time:   math.Float64frombits(le.Uint64(b[16:])),
		sum:    le.Uint32(b[24:]),
	}
	return h, h.length <= maxPayload && h.lines <= h.length
}

// seal is what the seal says of its segment.
type seal struct {
	lines          int64
	oldest, newest float64
}

func appendSeal(dst []byte, s seal, salt uint32, off int64) []byte {
	var p [sealPayload]byte
	le.PutUint64(p[0:], uint64(s.lines))
	le.PutUint64(p[8:], math.Float64bits(s.oldest))
	le.PutUint64(p[16:], math.Float64bits(s.newest))
	return appendRecord(dst, p[:], 0, kindSeal, s.newest, salt, off)
}

// parseSeal returns the seal at offset off that b consists of, if it is one.
func parseSeal(b []byte, salt uint32, off int64) (s seal, ok bool) {
	h, ok := parseHeader(b, salt, off)
	if !ok || h.kind != kindSeal || len(b) != sealSize || crc32.Checksum(b[headerSize:], crc) != h.sum {
		return s, false
	}
	p := b[headerSize:]
	s = seal{
		lines:  int64(le.Uint64(p)),
		oldest: math.Float64frombits(le.Uint64(p[8:])),
		newest: math.Float64frombits(le.Uint64(p[16:])),
	}
	return s, s.lines >= 0
}

// fit returns the length of the whole lines that begin lines and have at most room
// bytes, but at least that of the first one.
func fit(lines []byte, room int) int {
	if len(lines) <= room {
		return len(lines)
	}
	if i := bytes.LastIndexByte(lines[:max(room, 0)], '\n'); i >= 0 {
		return i + 1
	}
	if i := bytes.IndexByte(lines, '\n'); i >= 0 {
		return i + 1
	}
	return len(lines)
}
