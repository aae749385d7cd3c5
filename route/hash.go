package route

import (
	"crypto/md5"
	"encoding/binary"
	"math/bits"
)

// HashType is the function that places nodes and names on a Ring.
type HashType string

// The hash types by carbon's names. An empty HashType is CarbonCH.
const (
	CarbonCH HashType = "carbon_ch" // the first 16 bits of MD5
	FNV1aCH  HashType = "fnv1a_ch"  // FNV-1a folded to 16 bits; the host is not hashed
	MMH3CH   HashType = "mmh3_ch"   // signed 32 bits of MurmurHash3
)

const hashTypes = "accepted: carbon_ch, fnv1a_ch, mmh3_ch"

func carbonHash(b []byte) int64 {
	sum := md5.Sum(b)
	return int64(binary.BigEndian.Uint16(sum[:]))
}

func fnv1aHash(b []byte) int64 {
	h := uint32(0x811c9dc5)
	for _, c := range b {
		h = (h ^ uint32(c)) * 0x01000193
	}
	return int64(h>>16 ^ h&0xffff)
}

// mmh3Hash is MurmurHash3_x86_32 with seed 0.
func mmh3Hash(b []byte) int64 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	h, n := uint32(0), uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h ^= bits.RotateLeft32(binary.LittleEndian.Uint32(b)*c1, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	k := uint32(0)
	for i, c := range b {
		k |= uint32(c) << (8 * i)
	}
	h ^= bits.RotateLeft32(k*c1, 15) * c2
	h ^= n
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return int64(int32(h ^ h>>16))
}

// nameHash is FNV-1a with 64 bits, stirred. It never changes, since spooled rows
// outlive the process that chose their destination.
func nameHash[T string | []byte](s T) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return stir(h)
}

// stir is the finaliser of SplitMix64: every bit of x reaches every bit of the result.
func stir(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
