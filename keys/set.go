package keys

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Key is what is known of one key. The key itself is not.
type Key struct {
	Name  string
	Roles Roles
	Hash  Hash
}

// Set is the keys that are accepted. It does not change; a nil Set is empty.
type Set struct {
	keys []Key
	// equal returns 1 if two hashes are the same, else 0. Tests count its calls.
	equal func(a, b []byte) int
}

// NewSet returns a set of keys. Names and hashes must differ from each other.
func NewSet(list []Key) (*Set, error) {
	s := &Set{keys: slices.Clone(list), equal: subtle.ConstantTimeCompare}
	for i, k := range s.keys {
		if err := CheckName(k.Name); err != nil {
			return nil, fmt.Errorf("keys: name %q: %w", k.Name, err)
		}
		if k.Hash == (Hash{}) || k.Hash == Sum("") {
			return nil, fmt.Errorf("keys: %q has no hash", k.Name)
		}
		for _, before := range s.keys[:i] {
			if before.Name == k.Name || before.Hash == k.Hash {
				return nil, fmt.Errorf("keys: %q and %q have the same name or hash", before.Name, k.Name)
			}
		}
	}
	return s, nil
}

// Len returns how many keys there are.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.keys)
}

// Identify returns the key that a request presents, as the user or the password
// of basic authentication, or as a bearer token. Clients differ in which they
// use: KEY: and token:KEY and email:KEY are all sent. If both user and password
// are keys, it is the user's.
//
// Everything presented is compared with every key, so that the time it takes
// tells nothing about them.
func (s *Set) Identify(r *http.Request) (Key, bool) {
	presented := credentials(r)
	if s.Len() == 0 {
		return Key{}, false
	}
	found := -1
	for _, text := range presented {
		hash := Sum(text)
		for i := range s.keys {
			is := s.equal(hash[:], s.keys[i].Hash[:])
			first := subtle.ConstantTimeEq(int32(found), -1)
			found = subtle.ConstantTimeSelect(is&first, i, found)
		}
	}
	if found < 0 {
		return Key{}, false
	}
	return s.keys[found], true
}

// credentials returns what may be keys in the order in which they count.
func credentials(r *http.Request) []string {
	if user, password, ok := r.BasicAuth(); ok {
		return []string{user, password}
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return []string{strings.TrimSpace(token)}
	}
	return nil
}
