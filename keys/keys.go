// Package keys tells clients by the API keys that they present.
//
// A key is long and random, made by [Generate]. That is why its SHA-256 is
// enough to keep: what slow hashes protect, words that can be guessed, is not
// there to be found, and a slow hash would let everybody who can send a request
// make the daemon work.
package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Role is something that a key may let its client do. None includes another.
type Role uint8

const (
	// Manage is to change what the daemon does, and to look into the program.
	Manage Role = iota
	// Ingest is to send values.
	Ingest
	// Read is to ask for series, names and the daemon's own numbers.
	Read
	numRoles
)

var roleNames = [numRoles]string{"manage", "ingest", "read"}

// String returns the role's name in the configuration.
func (r Role) String() string {
	if r < numRoles {
		return roleNames[r]
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// ParseRole reads a role's name.
func ParseRole(name string) (Role, error) {
	for i, n := range roleNames {
		if n == name {
			return Role(i), nil
		}
	}
	return 0, errors.New(`no such role; accepted: "read", "ingest" or "manage"`)
}

// Roles is a set of roles. The zero value is empty.
type Roles uint8

// All has every role.
const All Roles = 1<<numRoles - 1

// With returns the set and one more role.
func (s Roles) With(r Role) Roles { return s | 1<<r }

// Has reports whether a role is in the set.
func (s Roles) Has(r Role) bool { return s&(1<<r) != 0 }

// And returns the roles that are in both sets.
func (s Roles) And(other Roles) Roles { return s & other }

// Hash is the SHA-256 of a key's bytes.
type Hash [sha256.Size]byte

const hashPrefix = "sha256:"

// Sum returns the hash of a key.
func Sum(key string) Hash { return sha256.Sum256([]byte(key)) }

// String returns the form of the configuration, "sha256:" and 64 digits.
func (h Hash) String() string { return hashPrefix + hex.EncodeToString(h[:]) }

// ParseHash reads what [Hash.String] returns. Its errors do not repeat the text,
// which may be a key that was put in the wrong place. The hash of an empty key is
// refused, because every client that has none presents that.
func ParseHash(text string) (Hash, error) {
	var h Hash
	digits, ok := strings.CutPrefix(text, hashPrefix)
	if n, err := hex.Decode(h[:], []byte(digits[:min(len(digits), 2*len(h))])); !ok || err != nil || n != len(h) || len(digits) != 2*len(h) {
		return Hash{}, errors.New(`not a hash; accepted: "sha256:" and 64 hexadecimal digits, as "coalesce key" prints them`)
	}
	if h == Sum("") {
		return Hash{}, errors.New(`the hash of an empty key; accepted: that of a key, as "coalesce key" prints it`)
	}
	return h, nil
}

const (
	keyBytes   = 32 // of randomness in a key
	shortest   = 20
	longest    = 256
	nameLength = 64
)

// Generate returns a new key: 64 hexadecimal digits, which need no quoting in a
// URL, a header or a shell.
func Generate() string {
	var b [keyBytes]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// CheckKey returns why a text should not, or could not, be used as a key. The
// error does not repeat it.
func CheckKey(key string) error {
	plain := func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }
	if len(key) < shortest || len(key) > longest || strings.ContainsFunc(key, plain) {
		return fmt.Errorf("not a key; accepted: %d to %d random ASCII characters without blanks and colons, as \"coalesce key\" makes them", shortest, longest)
	}
	return nil
}

// CheckName returns what is wrong with the name of a key.
func CheckName(name string) error {
	other := func(r rune) bool {
		return !(r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' || strings.ContainsRune("._@-", r))
	}
	if name == "" || len(name) > nameLength || strings.ContainsFunc(name, other) {
		return fmt.Errorf("not a name; accepted: 1 to %d ASCII letters, digits and . _ @ -", nameLength)
	}
	return nil
}
