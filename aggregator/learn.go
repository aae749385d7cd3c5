package aggregator

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/series"
)

// learn finds out what a name leads to, when it is new or the rules have
// changed since it was last seen. stream is the one that keeps the series itself,
// or nil.
func (l *Lane) learn(name []byte, h series.Hash, stream *ruleState) series.Ref {
	rs := l.rs
	if ref, version := l.agg.table.Get(h, l.tick); ref != 0 {
		if version == rs.version {
			return ref
		}
		// Only the changed rules need to be tried.
		d := rs.names.Decide(name, &l.naming)
		if d.Name != nil && !rs.affected(&l.matcher, d.Name, version) {
			l.agg.table.Put(h, ref, rs.version, l.tick)
			return ref
		}
	}
	return l.relearn(name, h, stream)
}

// relearn decides about the name anew: whether it is kept, what it is called
// from then on, what it feeds, and whether it is forwarded.
func (l *Lane) relearn(name []byte, h series.Hash, stream *ruleState) series.Ref {
	a, rs := l.agg, l.rs
	l.count.learned++
	d := rs.names.Decide(name, &l.naming)
	if d.BadTags != nil {
		l.count.badTags++
	}
	if d.Dropped != naming.Kept {
		ref := knownBit | kindFiltered | series.Ref(d.Dropped)
		a.table.Put(h, ref, rs.version, l.tick)
		return ref
	}
	match := rs.set.Match
	if l.collected {
		match = rs.set.MatchCollected
	}
	matches := match(&l.matcher, d.Name)
	forward := a.cfg.ForwardAll && (stream == nil || !stream.stream.Emit)
	for _, m := range matches {
		forward = forward && m.Rule.Forward && !isRow(d.Name, m)
	}
	if a.cfg.Owns != nil {
		var mine bool
		if matches, mine = a.owned(matches, d.Name); !mine {
			forward = false
		}
	}
	odd := l.aim(name, matches, stream)
	full := l.bindAll()
	ref := knownBit
	var as []byte // the name to forward under, where it is another
	if forward {
		ref |= forwardBit
		as = l.departsAs(name, d.Name)
	}
	switch {
	case as != nil || len(l.bound) > 1 || odd || full > 0 && len(l.bound) == 0:
		ref |= kindMany | series.Ref(a.fan(l.bound, as, len(l.targets) > 0))
	case len(l.bound) == 1:
		ref |= kindOne | series.Ref(l.bound[0])
	}
	if full > 0 {
		// Not remembered, so that it is tried again when outputs have left.
		return ref | series.Ref(min(full, fullMask))<<fullShift
	}
	a.recent.add(d.Name)
	a.table.Put(h, ref, rs.version, l.tick)
	return ref
}

// owned keeps the matches whose outputs this instance owns, and those of rules that keep
// the series itself or count it in a view, as they do wherever it comes to. It also says
// whether the datapoint itself is this instance's to forward, of all that receive it: it
// belongs to the owner of the first output, or else of its name.
func (a *Aggregator) owned(matches []rules.Match, name []byte) (kept []rules.Match, mine bool) {
	first := true
	kept = matches[:0]
	for _, m := range matches {
		local := m.Rule.Input || m.Rule.View != nil
		owns := local || a.cfg.Owns(rules.AppendRow(nil, m.Output, m.Rule.Methods[0]))
		if first && !local {
			first, mine = false, owns
		}
		if owns {
			kept = append(kept, m)
		}
	}
	return kept, mine || first && a.cfg.Owns(name)
}

// target is an output that a name is to feed, with a rule that says so.
type target struct {
	name []byte
	spec *spec
	by   *ruleState
}

// same says whether both are one output.
func (t *target) same(o *target) bool {
	return t.spec.key == o.spec.key && string(t.name) == string(o.name)
}

// aim puts the outputs of all matches into l.targets, and behind them the series
// itself if a stream keeps it, which a rule of rules.NewInput then need not. It
// says whether there is a feed that Lane.Add must not serve by itself.
func (l *Lane) aim(name []byte, matches []rules.Match, stream *ruleState) (odd bool) {
	l.targets = l.targets[:0]
	for i := range matches {
		m := &matches[i]
		if stream != nil && m.Rule.Input && string(m.Output) == string(name) {
			continue
		}
		odd = odd || m.Rule.View != nil
		l.targets = append(l.targets, target{m.Output, l.rs.specs[m.Pos], l.rs.states[m.Pos]})
	}
	if stream != nil {
		l.targets = append(l.targets, target{name, stream.spec, stream})
	}
	return odd
}

// bindAll puts the feeds of all targets into l.bound, and returns for how many
// there was no room.
func (l *Lane) bindAll() (full int) {
	l.bound = l.bound[:0]
	for i := range l.targets {
		h, ok := l.agg.bind(l, i)
		if !ok {
			full++
			l.agg.stat.full.Add(1)
		} else if h != 0 && !slices.Contains(l.bound, h) {
			l.bound = append(l.bound, h)
		}
	}
	return full
}

// departsAs returns the name under which a datapoint is forwarded, or nil if it
// is the one that it was received with. A name that [post] rewriting makes
// impossible is not rewritten by it.
func (l *Lane) departsAs(received, name []byte) []byte {
	if d := l.rs.names.Post(name, &l.naming); d.Dropped == naming.Kept {
		name = d.Name
	}
	if string(name) == string(received) {
		return nil
	}
	return name
}

// isRow says whether a name is one of the rows that it feeds itself.
func isRow(name []byte, m rules.Match) bool {
	if m.Rule.Input || m.Rule.View != nil {
		return false
	}
	if string(m.Output) == string(name) {
		return true
	}
	if len(m.Rule.Methods) == 1 {
		return false
	}
	var buf [256]byte
	for _, method := range m.Rule.Methods {
		if string(rules.AppendRow(buf[:0], m.Output, method)) == string(name) {
			return true
		}
	}
	return false
}

// bind returns the handle of the feed for l.targets[i] and all later ones that
// lead to the same output. It returns 0 for a target that an earlier one covers
// or that has left, and false where there are too many outputs.
func (a *Aggregator) bind(l *Lane, i int) (handle, bool) {
	to := &l.targets[i]
	if to.spec.view != nil {
		return a.bindView(to)
	}
	for k := range l.targets[:i] {
		if to.same(&l.targets[k]) {
			return 0, true
		}
	}
	var few [4]*ruleState
	by := append(few[:0], to.by)
	for k := i + 1; k < len(l.targets); k++ {
		if o := &l.targets[k]; to.same(o) && !slices.Contains(by, o.by) {
			by = append(by, o.by)
		}
	}
	l.scratch = append(append(l.scratch[:0], to.name...), to.spec.key...)

	a.mu.RLock()
	if o := a.outputs[string(l.scratch)]; o != nil && o.pos() <= by[0].pos {
		if f := o.feedBy(by); f != nil && f.speaks() {
			a.mu.RUnlock()
			return newHandle(f.num, f.gen), true
		}
	}
	a.mu.RUnlock()

	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.feedFor(string(l.scratch), string(to.name), to.spec, by)
	if f == nil {
		return 0, false
	}
	return newHandle(f.num, f.gen), true
}

// feedFor returns the feed of some rules to an output, which it makes if need
// be, or nil where there are too many. The caller holds a.mu.
func (a *Aggregator) feedFor(key, name string, sp *spec, by []*ruleState) *feed {
	o := a.outputs[key]
	if o == nil {
		if a.full() {
			return nil
		}
		o = a.newOutput(key, name, sp)
	}
	f := o.feedBy(by)
	if f == nil {
		f = a.newFeed(o, slices.Clone(by))
	}
	if f != nil {
		a.adopt(o, by[0])
		for _, st := range by[1:] {
			o.serve(st.rule)
		}
		a.speak(f)
	}
	return f
}

// full says whether there may be no more outputs. The caller holds a.mu.
func (a *Aggregator) full() bool { return len(a.outputs)+a.viewRows >= a.cfg.MaxOutputs }

// fan interns a list of feeds. Lists that names no longer lead to are not
// tracked one by one: when there are more than there can be names, all are
// forgotten and the names learn again.
func (a *Aggregator) fan(to []handle, as []byte, matched bool) handle {
	key := make([]byte, 0, 64)
	for _, h := range to {
		key = binary.LittleEndian.AppendUint64(key, uint64(h))
	}
	if !matched {
		key = append(key, '-')
	}
	if as != nil {
		key = append(append(key, ' '), as...)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if num, ok := a.fanIndex[string(key)]; ok {
		return newHandle(num, a.fanGen)
	}
	if len(a.fanIndex) >= min(a.cfg.MaxSeries+1024, numberMask) {
		clear(a.fanIndex)
		a.fanGen++
		a.fans.Store(new(registry[fan]))
	}
	num := uint32(len(a.fanIndex))
	a.fanIndex[string(key)] = num
	a.fans.Load().set(num, &fan{gen: a.fanGen, to: slices.Clone(to), as: bytes.Clone(as), matched: matched})
	return newHandle(num, a.fanGen)
}

// feedTo returns the feed of some rules to an output that they do not claim, or
// why there is none.
func (a *Aggregator) feedTo(o *output, by []*ruleState) (*feed, Drop) {
	a.mu.RLock()
	f, left := o.feedBy(by), o.hasLeft.Load()
	a.mu.RUnlock()
	if f != nil && !left {
		return f, added
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.hasLeft.Load() {
		return nil, TooOld
	}
	if f = o.feedBy(by); f == nil {
		f = a.newFeed(o, by)
	}
	if f == nil {
		return nil, OutputsFull
	}
	return f, added
}

// successor returns the feed that stands for one whose output has left, or nil
// where there are too many outputs by now.
func (a *Aggregator) successor(f *feed) *feed {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := f.out
	return a.feedFor(o.key, o.name, o.spec, f.rules)
}
