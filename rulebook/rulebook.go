// Package rulebook keeps the rules that are made while the daemon runs.
//
// A rule is a pattern and an output; what its output shows is chosen when it is
// read. Each rule belongs to an owner, who sees no other's. A change is on the
// disk (file.go) before it is in force, and in force before it is acknowledged.
package rulebook

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coalesce-metrics/coalesce/ledger"
	"github.com/coalesce-metrics/coalesce/rules"
)

// Rule is a rule as its owner made it.
type Rule struct {
	ID      string // 26 letters and digits, never used again
	Owner   string
	Pattern string
	Output  string // with its prefix
	Created time.Time
}

// Config is what Open needs.
type Config struct {
	// Path is the file that holds the rules; empty keeps them in memory only.
	Path string
	// Period is that of the outputs, in seconds.
	Period int64
	// MaxPerOwner is how many rules an owner may have, MaxOutputs into how many
	// outputs a rule may divide the names that Names returns.
	MaxPerOwner, MaxOutputs int
	// Names returns the names that rules are tried on, at most some thousand.
	Names func() []string
	// Apply puts the rules in force, whenever they have changed, for all that
	// comes after it returns. It is not called by two goroutines at a time, and
	// must not call the book.
	Apply func([]*rules.Rule)
	Now   func() time.Time
	// Logger is told of damage.
	Logger *slog.Logger
}

// Book holds the rules. Its methods may be called concurrently.
type Book struct {
	cfg Config

	changing sync.Mutex   // held by whoever changes something; guards file
	file     *ledger.File // nil in memory
	trying   chan struct{}

	mu     sync.RWMutex // guards all below
	closed bool
	byID   map[string]*entry
	owned  map[string][]*entry // by owner, the oldest first
	force  []*shared           // in force, in the order of their first owners
	byRule map[string]*shared  // by rules.Rule.ID
	made   uint64              // rules, ever since Open
}

// entry is one rule of one owner.
type entry struct {
	Rule
	number uint64  // in the order of their making
	in     *shared // nil for a rule that can no longer be compiled
}

// shared is a rule in force, which several owners may have made.
type shared struct {
	rule   *rules.Rule
	owners int
}

// Open reads the rules from their file. They are not in force yet: see Rules.
func Open(cfg Config) (*Book, error) {
	b := &Book{
		cfg: cfg, trying: make(chan struct{}, 1),
		byID: make(map[string]*entry), owned: make(map[string][]*entry), byRule: make(map[string]*shared),
	}
	if cfg.Path == "" {
		return b, nil
	}
	if err := b.openFile(); err != nil {
		return nil, fmt.Errorf("rules made over HTTP: %w", err)
	}
	for _, e := range b.entries() {
		compiled, err := b.compile(e.Pattern, e.Output)
		if err != nil {
			cfg.Logger.Error("a rule made over HTTP is no longer understood and not in force", "id", e.ID,
				"owner", e.Owner, "pattern", e.Pattern, "output", e.Output, "err", err)
			continue
		}
		b.enforce(e, compiled)
	}
	return b, nil
}

// Rules returns the rules in force, each once. The slice is the caller's.
func (b *Book) Rules() []*rules.Rule {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := make([]*rules.Rule, len(b.force))
	for i, s := range b.force {
		all[i] = s.rule
	}
	return all
}

// List returns the rules of an owner, the oldest first.
func (b *Book) List(owner string) []Rule {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := make([]Rule, len(b.owned[owner]))
	for i, e := range b.owned[owner] {
		all[i] = e.Rule
	}
	return all
}

// Owners returns how many rules each owner has, without those that have none.
func (b *Book) Owners() map[string]int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := make(map[string]int, len(b.owned))
	for owner, entries := range b.owned {
		all[owner] = len(entries)
	}
	return all
}

// Get returns a rule of an owner.
func (b *Book) Get(owner, id string) (Rule, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.byID[id]
	if e == nil || e.Owner != owner {
		return Rule{}, false
	}
	return e.Rule, true
}

// Create makes a rule. When it returns without an error, the rule is on the disk
// and in force. An error is an *Error, or that of ctx, which ends before anything
// is changed.
func (b *Book) Create(ctx context.Context, owner, pattern, output string) (Rule, error) {
	compiled, dear, err := b.read(pattern, output)
	if err != nil {
		return Rule{}, err
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	if err := ctx.Err(); err != nil { // it has waited for others for too long
		return Rule{}, err
	}
	r := Rule{Owner: owner, Pattern: pattern, Output: Stored(output), Created: b.cfg.Now().UTC()}
	if err := b.admit(&r); err != nil {
		return Rule{}, err
	}
	if dear != nil {
		return Rule{}, dear
	}
	if err := b.run(ctx, compiled, new(Trial)); err != nil {
		return Rule{}, err
	}
	r.ID = rand.Text()
	if err := b.save(addition(&r)); err != nil {
		return Rule{}, err
	}
	b.mu.Lock()
	news := b.enforce(b.add(r), compiled)
	b.mu.Unlock()
	if news {
		b.cfg.Apply(b.Rules())
	}
	return r, nil
}

// Delete removes a rule of an owner. When it returns without an error, the rule
// is off the disk and matches nothing more. An error is an *Error.
func (b *Book) Delete(owner, id string) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	if _, ok := b.Get(owner, id); !ok {
		return &Error{Unknown, fmt.Sprintf("no rule has the id %.40q", id)}
	}
	if err := b.save(record{Op: opDelete, ID: id}); err != nil {
		return err
	}
	b.mu.Lock()
	news := b.remove(b.byID[id])
	b.mu.Unlock()
	if news {
		b.cfg.Apply(b.Rules())
	}
	return nil
}

// admit says why an owner may not have one more rule.
func (b *Book) admit(r *Rule) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, e := range b.owned[r.Owner] {
		if e.Pattern == r.Pattern && e.Output == r.Output {
			return &Error{Duplicate, fmt.Sprintf("pattern and output are those of the rule %s", e.ID)}
		}
	}
	if len(b.owned[r.Owner]) >= b.cfg.MaxPerOwner {
		return &Error{Full, fmt.Sprintf("the limit of %d rules for this key is reached", b.cfg.MaxPerOwner)}
	}
	return nil
}

// save makes a change durable. The caller holds b.changing.
func (b *Book) save(r record) error {
	b.mu.RLock()
	closed := b.closed
	b.mu.RUnlock()
	if closed {
		return &Error{Unsaved, "the daemon is stopping"}
	}
	if b.file == nil {
		return nil
	}
	if err := b.file.Append(r); err != nil {
		b.cfg.Logger.Error("a rule could not be saved", "file", b.cfg.Path, "err", err)
		return &Error{Unsaved, "the rule could not be saved; the log of the daemon has more"}
	}
	return nil
}

// len returns how many rules there are.
func (b *Book) len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.byID)
}

// records returns all rules, as they are written, in the order of their making.
func (b *Book) records() []any {
	b.mu.RLock()
	defer b.mu.RUnlock()
	entries := b.entries()
	all := make([]any, len(entries))
	for i, e := range entries {
		all[i] = addition(&e.Rule)
	}
	return all
}

// entries returns all rules in the order of their making. The caller holds b.mu,
// or is alone.
func (b *Book) entries() []*entry {
	return slices.SortedFunc(maps.Values(b.byID), func(x, y *entry) int { return cmp.Compare(x.number, y.number) })
}

// add takes a rule in, which is not in force yet. The caller holds b.mu, or is
// alone.
func (b *Book) add(r Rule) *entry {
	b.made++
	e := &entry{Rule: r, number: b.made}
	b.byID[r.ID] = e
	b.owned[r.Owner] = append(b.owned[r.Owner], e)
	return e
}

// enforce puts a rule in force, and reports whether another is by that. The caller
// holds b.mu, or is alone.
func (b *Book) enforce(e *entry, compiled *rules.Rule) bool {
	e.in = b.byRule[compiled.ID]
	if e.in != nil {
		e.in.owners++
		return false
	}
	e.in = &shared{compiled, 1}
	b.byRule[compiled.ID] = e.in
	b.force = append(b.force, e.in)
	return true
}

// remove takes a rule out and reports whether one is no longer in force by that.
// One that another owner has stays where it is in the order. The caller holds b.mu,
// or is alone.
func (b *Book) remove(e *entry) bool {
	delete(b.byID, e.ID)
	same := func(x *entry) bool { return x == e }
	if b.owned[e.Owner] = slices.DeleteFunc(b.owned[e.Owner], same); len(b.owned[e.Owner]) == 0 {
		delete(b.owned, e.Owner)
	}
	if e.in == nil {
		return false
	}
	if e.in.owners--; e.in.owners > 0 {
		return false
	}
	delete(b.byRule, e.in.rule.ID)
	b.force = slices.DeleteFunc(b.force, func(s *shared) bool { return s == e.in })
	return true
}

// Close ends changes; the rules stay in force.
func (b *Book) Close() error {
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.file == nil {
		b.closed = true
		return nil
	}
	b.closed = true
	return b.file.Close()
}
