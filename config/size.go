package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes that is never negative. In a file it is an integer
// or a string such as "16KiB".
type Size int64

// Sizes for literals.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

// sizeUnits is ordered so that the first unit that ends a text is its unit.
var sizeUnits = []struct {
	name string
	size Size
}{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

var errSize = errors.New(`not a size; accepted: bytes as a whole number, or a string of a whole number ` +
	`with the unit B, KiB, MiB, GiB or TiB, such as "16KiB" or "64MiB", not negative`)

// UnmarshalText reads a whole number of bytes or of a unit: B, KiB, MiB, GiB,
// TiB, which are powers of 1024. On an error, which says what is accepted, s is
// unchanged.
func (s *Size) UnmarshalText(text []byte) error {
	digits, unit := string(text), Size(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(digits, u.name); ok {
			digits, unit = rest, u.size
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > uint64(math.MaxInt64/unit) {
		return errSize
	}
	*s = Size(n) * unit
	return nil
}

// UnmarshalTOML reads an integer or the string form; every other TOML type is
// an error. It implements [toml.Unmarshaler].
func (s *Size) UnmarshalTOML(value any) error {
	switch v := value.(type) {
	case int64:
		if v < 0 {
			return errSize
		}
		*s = Size(v)
		return nil
	case string:
		return s.UnmarshalText([]byte(v))
	}
	return errSize
}

// String returns the size in the largest unit that divides it, such as "16KiB".
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return "0B"
}
