package catalog

// A table finds numbers by the hash of what they stand for. A slot holds 32 bits of the hash above the number, so that
// hardly any other number is looked at and growing reads nothing else; 0 is an empty slot.
type table struct {
	slots []uint64
	n     int
}

// find returns the number with the hash of which is says that it is the one, 0 if there is none.
func (t *table) find(hash uint32, is func(id uint32) bool) uint32 {
	if t.n == 0 {
		return 0
	}
	for i := t.home(hash); t.slots[i] != 0; i = t.after(i) {
		if s := t.slots[i]; uint32(s>>32) == hash && is(uint32(s)) {
			return uint32(s)
		}
	}
	return 0
}

func (t *table) home(hash uint32) int { return int(uint64(hash) * uint64(len(t.slots)) >> 32) }

func (t *table) after(i int) int {
	if i++; i < len(t.slots) {
		return i
	}
	return 0
}

// add files a number that is not there.
func (t *table) add(hash, id uint32) {
	if t.n >= len(t.slots)*4/5 {
		old := t.slots
		t.slots = make([]uint64, max(16, len(old)*3/2))
		for _, s := range old {
			if s != 0 {
				t.place(s)
			}
		}
	}
	t.place(uint64(hash)<<32 | uint64(id))
	t.n++
}

func (t *table) place(slot uint64) {
	i := t.home(uint32(slot >> 32))
	for t.slots[i] != 0 {
		i = t.after(i)
	}
	t.slots[i] = slot
}

// remove takes out a number that is there.
func (t *table) remove(hash, id uint32) {
	i := t.home(hash)
	for t.slots[i] != uint64(hash)<<32|uint64(id) {
		i = t.after(i)
	}
	t.n--
	// What follows without a gap moves up, unless that would put it before its home.
	for j := t.after(i); t.slots[j] != 0; j = t.after(j) {
		if t.gap(t.home(uint32(t.slots[j]>>32)), j) >= t.gap(i, j) {
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = 0
}

// gap returns how many steps after takes from i to j.
func (t *table) gap(i, j int) int {
	if j < i {
		j += len(t.slots)
	}
	return j - i
}
