package route

import "testing"

// TestAppendRepr compares with what CPython 3.11 prints.
func TestAppendRepr(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a", "'a'"},
		{"o'brien", "\"o'brien\""},
		{"q\"q", "'q\"q'"},
		{"both'\"", "'both\\'\"'"},
		{"back\\slash", "'back\\\\slash'"},
		{"tab\there", "'tab\\there'"},
		{"nl\n", "'nl\\n'"},
		{"cr\r", "'cr\\r'"},
		{"\u0000\u001f\u007f", "'\\x00\\x1f\\x7f'"},
		{"\u0080\u00a0\u00ad", "'\\x80\\xa0\\xad'"},
		{"bücher", "'bücher'"},
		{"日本", "'日本'"},
		{"\u200b", "'\\u200b'"},
		{"\u2028", "'\\u2028'"},
		{"\u3000", "'\\u3000'"},
		{"\ue000", "'\\ue000'"},
		{"\ufeff", "'\\ufeff'"},
		{"\U0001f600", "'\U0001f600'"},
		{"\U000e0001", "'\\U000e0001'"},
		{"e\u0301", "'e\u0301'"},
	} {
		if got := string(appendRepr(nil, c.in)); got != c.want {
			t.Errorf("repr(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

// TestMMH3 uses published values of MurmurHash3_x86_32 with seed 0.
func TestMMH3(t *testing.T) {
	for s, want := range map[string]uint32{
		"":              0,
		"test":          0xba6bd213,
		"hello":         0x248bfa47,
		"hello, world":  0x149bbb7f,
		"Hello, world!": 0xc0363e43,
		"foo":           0xf6a5c420, // -156908512 in the manual of Python's mmh3
		"The quick brown fox jumps over the lazy dog": 0x2e4ff723,
	} {
		if got := mmh3Hash([]byte(s)); got != int64(int32(want)) {
			t.Errorf("mmh3(%q) = %d, want %d", s, got, int32(want))
		}
	}
}

// TestNameHash pins the hash that spooled rows depend on: stir(FNV-1a 64), whose parts
// are published: FNV-1a of "foobar", and the first value of SplitMix64 with seed 0.
func TestNameHash(t *testing.T) {
	if got := nameHash("foobar"); got != stir(0x85944171f73967e8) {
		t.Errorf("nameHash: %x", got)
	}
	if got := stir(0x9e3779b97f4a7c15); got != 0xe220a8397b1dcdaf {
		t.Errorf("stir: %x", got)
	}
}
