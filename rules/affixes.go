package rules

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// fewCandidates is up to how many candidates are tried one by one.
const fewCandidates = 8

// gramSize is how many bytes of a needed text the candidates are filed under.
const gramSize = 4

// affixes files candidates under whichever of their literal parts the fewest others share: the text they begin with,
// the text they end with, or four bytes that they contain.
type affixes struct {
	all      []*candidate // all of them while they are few, else those without a literal part
	filed    bool
	byPre    map[string][]*candidate
	byPost   map[string][]*candidate
	byGram   map[uint32][]filed
	preLens  []int // lengths of the keys of byPre, ascending
	postLens []int
	grams    [gramWords]uint64 // which grams, reduced to a few bits, byGram has: most places in a text have none
}

const (
	gramWords = 16
	gramShift = 32 - 10 // leaves a bit number below 64*gramWords
)

// gramBit spreads a gram over the bits of affixes.grams.
func gramBit(gram uint32) uint32 { return gram * 0x9e3779b1 >> gramShift }

// filed is a candidate under the gram at offset at in its needed text.
type filed struct {
	c  *candidate
	at int
}

// file sorts the candidates, once all are there.
func (a *affixes) file() {
	if len(a.all) <= fewCandidates {
		return
	}
	pre, post, grams := map[string]int{}, map[string]int{}, map[uint32]int{}
	for _, c := range a.all {
		pre[c.pre]++
		post[c.post]++
		for i := range len(c.need) - gramSize + 1 {
			grams[gram(c.need, i)]++
		}
	}
	a.filed = true
	a.byPre, a.byPost, a.byGram = map[string][]*candidate{}, map[string][]*candidate{}, map[uint32][]filed{}
	var rest []*candidate
	for _, c := range a.all {
		at, rarest := 0, len(a.all)+1
		for i := range len(c.need) - gramSize + 1 {
			if n := grams[gram(c.need, i)]; n < rarest {
				at, rarest = i, n
			}
		}
		switch {
		case c.pre != "" && pre[c.pre] <= rarest && (c.post == "" || pre[c.pre] <= post[c.post]):
			a.byPre[c.pre] = append(a.byPre[c.pre], c)
			a.preLens = insertLength(a.preLens, len(c.pre))
		case c.post != "" && post[c.post] <= rarest:
			a.byPost[c.post] = append(a.byPost[c.post], c)
			a.postLens = insertLength(a.postLens, len(c.post))
		case len(c.need) >= gramSize:
			g := gram(c.need, at)
			a.byGram[g] = append(a.byGram[g], filed{c, at})
			a.grams[gramBit(g)/64] |= 1 << (gramBit(g) % 64)
		default:
			rest = append(rest, c)
		}
	}
	a.all = rest
}

func gram(text []byte, i int) uint32 { return binary.LittleEndian.Uint32(text[i:]) }

func insertLength(lens []int, n int) []int {
	i, found := slices.BinarySearch(lens, n)
	if found {
		return lens
	}
	return slices.Insert(lens, i, n)
}

// cursor is a place in the lists of affixes.
type cursor struct {
	stage int
	i     int
	one   [1]*candidate
	grams []filed // left to look at for the gram before i
}

// The stages of a cursor: which lists come next.
const (
	stageAll = iota
	stagePre
	stagePost
	stageGram
	stageEnd
)

// candidates returns the next list of candidates whose key text has, or nil behind the last. Each candidate comes
// once.
func (a *affixes) candidates(text []byte, next *cursor) []*candidate {
	if next.stage == stageAll {
		next.stage = stagePre
		if !a.filed {
			next.stage = stageEnd
		}
		if len(a.all) > 0 {
			return a.all
		}
	}
	if next.stage == stagePre {
		for next.i < len(a.preLens) && a.preLens[next.i] <= len(text) {
			n := a.preLens[next.i]
			next.i++
			if list := a.byPre[string(text[:n])]; list != nil {
				return list
			}
		}
		next.stage, next.i = stagePost, 0
	}
	if next.stage == stagePost {
		for next.i < len(a.postLens) && a.postLens[next.i] <= len(text) {
			n := a.postLens[next.i]
			next.i++
			if list := a.byPost[string(text[len(text)-n:])]; list != nil {
				return list
			}
		}
		next.stage, next.i = stageGram, 0
	}
	if next.stage == stageGram && len(a.byGram) > 0 {
		return a.nextGram(text, next)
	}
	return nil
}

// nextGram returns the next candidate whose needed text is in text. It is found by its gram, at its first place only.
func (a *affixes) nextGram(text []byte, next *cursor) []*candidate {
	for {
		for len(next.grams) > 0 {
			f := next.grams[0]
			next.grams = next.grams[1:]
			if at := next.i - 1 - f.at; at >= 0 && bytes.Index(text, f.c.need) == at {
				next.one[0] = f.c
				return next.one[:]
			}
		}
		for next.i+gramSize <= len(text) && len(next.grams) == 0 {
			g := gram(text, next.i)
			next.i++
			if bit := gramBit(g); a.grams[bit/64]&(1<<(bit%64)) != 0 {
				next.grams = a.byGram[g]
			}
		}
		if len(next.grams) == 0 {
			return nil
		}
	}
}
