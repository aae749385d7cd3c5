package pickle

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"unsafe"
)

// Parts of payloads, in protocol 2 where it matters.

func str(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func flt(f float64) string { return string(appendFloat(nil, f)) }

func item(name, time, value string) string { return name + time + value + "\x86\x86" }

func listOf(items ...string) string { return "\x80\x02](" + strings.Join(items, "") + "e." }

const (
	noneValue = "N"
	five      = "K\x05"
	seven     = "K\x07"
)

var good, last = item(str("good"), five, seven), item(str("last"), five, seven)

// Each bad element is refused by its reason and costs none of its neighbours.
func TestRefusedItems(t *testing.T) {
	tests := map[string]struct {
		item  string
		want  Reason
		shown string
	}{
		"none":                      {noneValue, BadItem, `None`},
		"number":                    {five, BadItem, `5`},
		"name alone":                {str("a"), BadItem, `"a"`},
		"empty tuple":               {")", BadItem, `()`},
		"three fields":              {str("a") + five + seven + "\x87", BadItem, `("a", 5, 7)`},
		"datapoint of one":          {str("a") + five + "\x85\x86", BadItem, `("a", (5))`},
		"datapoint none":            {str("a") + noneValue + "\x86", BadItem, `("a", None)`},
		"list in a dict":            {"}" + str("a") + "]" + five + "as" + "\x85", BadItem, `({"a"})`},
		"bytes name":                {item("C\x01a", five, seven), BadName, `(b"a", (5, 7))`},
		"name none":                 {item(noneValue, five, seven), BadName, `(None, (5, 7))`},
		"name number":               {item(five, five, seven), BadName, `(5, (5, 7))`},
		"empty name":                {item(str(""), five, seven), BadName, `("", (5, 7))`},
		"blank in the name":         {item(str("a b"), five, seven), BadName, `("a b", (5, 7))`},
		"newline in the name":       {item(str("a 1 1\nb"), five, seven), BadName, `("a 1 1\nb", (5, 7))`},
		"invalid utf-8":             {item(str("a\xff"), five, seven), BadName, `("a\xff", (5, 7))`},
		"name too long":             {item(str(strings.Repeat("x", 101)), five, seven), BadName, `("` + strings.Repeat("x", 101) + `", (5, 7))`},
		"no value":                  {item(str("a"), five, noneValue), BadValue, `("a", (5, None))`},
		"word for a value":          {item(str("a"), five, str("b")), BadValue, `("a", (5, "b"))`},
		"integer beyond a float64":  {item(str("a"), five, "\x8a\xc0"+strings.Repeat("\x7f", 0xc0)), BadValue, `("a", (5, (no number)))`},
		"decimal beyond a float64":  {item(str("a"), five, "L1"+strings.Repeat("0", 400)+"L\n"), BadValue, `("a", (5, (no number)))`},
		"no integer":                {item(str("a"), five, "I1x\n"), BadValue, `("a", (5, (no number)))`},
		"too long a number":         {item(str("a"), five, str(strings.Repeat("1", maxNumber+1))), BadValue, `("a", (5, "` + strings.Repeat("1", 390) + `"...))`},
		"not a number":              {item(str("a"), five, flt(math.NaN())), NaNValue, `("a", (5, nan))`},
		"nan in words":              {item(str("a"), five, str("NaN")), NaNValue, `("a", (5, "NaN"))`},
		"no timestamp":              {item(str("a"), noneValue, seven), BadTimestamp, `("a", (None, 7))`},
		"infinite timestamp":        {item(str("a"), flt(math.Inf(-1)), seven), BadTimestamp, `("a", (-inf, 7))`},
		"timestamp not a number":    {item(str("a"), flt(math.NaN()), seven), BadTimestamp, `("a", (nan, 7))`},
		"unquoted str":              {item("Sab\n", five, seven), BadName, `((no number), (5, 7))`},
		"escape cut short":          {item("S'a\\x1'\n", five, seven), BadName, `((no number), (5, 7))`},
		"surrogates of a narrow py": {item("V\\ud83d\\ude00\n", five, seven), BadName, `((no number), (5, 7))`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := NewDecoder(100)
			var shown string
			d.OnRefuse = func(r Reason) { shown = r.String() + " " + string(d.AppendRefused(nil)) }
			got, refused, err := decode(d, []byte(listOf(good, tt.item, last)))
			if want := []datapoint{{"good", 5, 7}, {"last", 5, 7}}; err != nil || !same(got, want) {
				t.Errorf("got %v, %v", got, err)
			}
			if refused != 1 || d.Refused[tt.want] != 1 {
				t.Errorf("refused %v, want one %v", d.Refused, tt.want)
			}
			if want := tt.want.String() + " " + tt.shown; shown != want {
				t.Errorf("shown as %s\nwant %s", shown, want)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	tests := map[string]struct {
		payload string
		want    []datapoint
	}{
		"one appended":               {"\x80\x02]" + good + "a.", []datapoint{{"good", 5, 7}}},
		"minus one as received":      {listOf(item(str("a"), "J\xff\xff\xff\xff", seven)), []datapoint{{"a", -1, 7}}},
		"infinite value":             {listOf(item(str("a"), five, flt(math.Inf(1)))), []datapoint{{"a", 5, math.Inf(1)}}},
		"negative zero":              {listOf(item(str("a"), five, flt(math.Copysign(0, -1)))), []datapoint{{"a", 5, math.Copysign(0, -1)}}},
		"integers have none":         {listOf(item(str("a"), five, "L-0L\n")), []datapoint{{"a", 5, 0}}},
		"no bytes of an integer":     {listOf(item(str("a"), five, "\x8a\x00")), []datapoint{{"a", 5, 0}}},
		"long with padding":          {listOf(item(str("a"), five, "\x8a\x0a\x07"+strings.Repeat("\x00", 9))), []datapoint{{"a", 5, 7}}},
		"negative long with padding": {listOf(item(str("a"), five, "\x8a\x0a\xf9"+strings.Repeat("\xff", 9))), []datapoint{{"a", 5, -7}}},
		"long4":                      {listOf(item(str("a"), five, "\x8b\x02\x00\x00\x00\x00\x80")), []datapoint{{"a", 5, -32768}}},
		"tie rounds to even":         {listOf(item(str("a"), five, "\x8a\x09\x01\x00\x00\x00\x00\x00\x00\x20\x00")), []datapoint{{"a", 5, 1 << 61}}},
		"bytearray for a number":     {listOf(item(str("a"), five, "\x96\x02\x00\x00\x00\x00\x00\x00\x00 8")), []datapoint{{"a", 5, 8}}},
		"escapes":                    {listOf(item(`S'\x61\142\\c\'\q\1034\1018'`+"\n", five, seven)), []datapoint{{`ab\c'\qC4A8`, 5, 7}}},
		"double quotes":              {listOf(item("S\"a'b\"\n", five, seven)), []datapoint{{"a'b", 5, 7}}},
		"raw unicode":                {listOf(item("V\xe9\\u20ac\\U0001f600\\x\\\\u0041\n", five, seven)), []datapoint{{"\u00e9\u20ac\U0001f600\\x\\\\u0041", 5, 7}}},
		"memo out of order":          {listOf(str("a")+"r\x10\x27\x00\x00"+five+seven+"\x86q\x00\x86", "j\x10\x27\x00\x00h\x00\x86"), []datapoint{{"a", 5, 7}, {"a", 5, 7}}},
		"memo overwritten":           {listOf(str("a")+"q\x000"+str("b")+"q\x000h\x00"+five+seven+"\x86\x86", last), []datapoint{{"b", 5, 7}, {"last", 5, 7}}},
		"pop and dup":                {listOf(str("a") + five + "0" + five + "2\x86\x86" + "(K\x01K\x021"), []datapoint{{"a", 5, 5}}},
		"nothing appended to none":   {"\x80\x02N(e0](" + good + "e.", []datapoint{{"good", 5, 7}}},
		"list grown after its memo":  {"]q\x00h\x00(" + item(str("a"), five, seven) + "e0.", []datapoint{{"a", 5, 7}}},
		"dict by its keys":           {"\x80\x02}(" + good + noneValue + last + noneValue + "u.", []datapoint{{"good", 5, 7}, {"last", 5, 7}}},
		"trailing bytes":             {listOf(good) + "cos\nsystem\n", []datapoint{{"good", 5, 7}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, _, err := decode(NewDecoder(100), []byte(tt.payload))
			if err != nil || !same(got, tt.want) {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// What is no list of datapoints at all is one refused item, or one for each part.
func TestOtherTopLevels(t *testing.T) {
	tests := map[string]struct {
		payload string
		refused uint64
	}{
		"none":         {"N.", 1},
		"number":       {"K\x05.", 1},
		"text":         {str("abc") + ".", 1},
		"datapoint":    {good + ".", 2},
		"two numbers":  {"K\x05K\x06\x86.", 2},
		"empty list":   {"].", 0},
		"name to list": {"}" + str("a") + "]s.", 1},
	}
	for name, tt := range tests {
		got, refused, err := decode(NewDecoder(100), []byte(tt.payload))
		if len(got) != 0 || refused != tt.refused || err != nil {
			t.Errorf("%s: got %v, %d refused, %v; want %d refused", name, got, refused, err, tt.refused)
		}
	}
}

// Nothing of a frame that asks for an object counts.
func TestForbidden(t *testing.T) {
	for op, name := range forbidden {
		d := NewDecoder(100)
		got, _, err := decode(d, []byte(listOf(good, string([]byte{op})+"os\nsystem\n", last)))
		if len(got) != 0 || d.Refused[Forbidden] != 1 || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

// A frame that breaks off loses only what cannot be read.
func TestCorrupt(t *testing.T) {
	tests := map[string]struct {
		payload string
		want    []string
		error   string
	}{
		"empty":                     {"", nil, "without STOP"},
		"text":                      {"hello world", nil, "nothing was stored as 101"},
		"no stop":                   {"](" + good + last, []string{"good", "last"}, "without STOP"},
		"cut in an element":         {"](" + good + str("la") + five, []string{"good"}, "without STOP"},
		"cut in a name":             {"](" + good + last[:6], []string{"good"}, "beyond the frame"},
		"cut between batches":       {"](" + good + "e(" + last + str("x"), []string{"good", "last"}, "without STOP"},
		"cut while appending":       {"]" + good + "a" + last, []string{"good", "last"}, "without STOP"},
		"tuple outside":             {"(" + good + last + "\xff", []string{"good", "last"}, "unknown opcode"},
		"long name claimed":         {"](" + good + "X\xff\xff\xff\x7fa", []string{"good"}, "beyond the frame"},
		"longest name claimed":      {"](" + good + "\x8d" + strings.Repeat("\xff", 8), []string{"good"}, "beyond the frame"},
		"longest bytes claimed":     {"](" + good + "\x8e" + strings.Repeat("\xff", 8), []string{"good"}, "beyond the frame"},
		"long integer claimed":      {"](" + good + "\x8b\xff\xff\xff\x7f", []string{"good"}, "beyond the frame"},
		"integer of negative size":  {"](" + good + "\x8b\xff\xff\xff\xff", []string{"good"}, "beyond the frame"},
		"frame beyond the end":      {"](" + good + "\x95" + strings.Repeat("\x7f", 8), []string{"good"}, "beyond the frame"},
		"unknown protocol":          {"\x80\x06].", nil, "accepted are 0 to 5"},
		"unknown memo":              {"](" + good + "h\x09e.", []string{"good"}, "nothing was stored as 9"},
		"memo not a number":         {"](" + good + "px\n", []string{"good"}, "a number from 0"},
		"memo without value":        {"q\x00.", nil, "too few values"},
		"stop without value":        {"](.", nil, "too few values"},
		"tuple from below the mark": {"K\x01(\x85.", nil, "too few values"},
		"append to a tuple":         {")" + good + "a.", []string{"good"}, "wrong type"},
		"half a dict":               {"}(" + good + "u.", []string{"good"}, "too few values"},
		"no mark":                   {good + "e.", []string{"good"}, "too few values"},
		"pop of nothing":            {"0.", nil, "too few values"},
		"no newline":                {"](" + good + "I12", []string{"good"}, "beyond the frame"},
		"everything on the stack":   {"](" + good + strings.Repeat("N", 2000) + "e.", []string{"good"}, "more values"},
		"marks":                     {"]" + good + "a" + strings.Repeat("(", 2000), []string{"good"}, "more values"},
		"lists":                     {"]" + good + "a" + strings.Repeat("]0", 5000), []string{"good"}, "more values"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := NewDecoder(100)
			got, refused, err := decode(d, []byte(tt.payload))
			var names []string
			for _, p := range got {
				names = append(names, p.name)
			}
			if fmt.Sprint(names) != fmt.Sprint(tt.want) || refused != 0 {
				t.Errorf("got %v, %d refused; want %v", names, refused, tt.want)
			}
			if err == nil || !strings.Contains(err.Error(), tt.error) || err.(*Error).Reason != Corrupt || d.Refused[Corrupt] != 1 {
				t.Errorf("error %v, want %q", err, tt.error)
			}
			if got, _, err := decode(d, []byte(listOf(good))); len(got) != 1 || err != nil {
				t.Errorf("the frame behind it gives %v, %v", got, err)
			}
		})
	}
	d := NewDecoder(100)
	if err := d.Decode(make([]byte, MaxPayload+1)); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("frame beyond MaxPayload: %v", err)
	}
}

// The most greedy payloads of a size stay within what Decoder promises, and
// what was needed for them is not kept.
func TestMemory(t *testing.T) {
	const size = 1 << 20
	fill := func(start, unit string) []byte {
		return []byte(start + strings.Repeat(unit, (size-len(start))/len(unit)))
	}
	payloads := map[string][]byte{
		"none":         fill("](", "N"),
		"marks":        fill("", "("),
		"lists":        fill("", "]0"),
		"memo":         fill("N", "\x94"),
		"far memo":     fill("N", "r\xff\xff\xff\xff"),
		"near memo":    fill("N", "r\x00\x00\x08\x00"),
		"appended":     fill("]q\x00", "h\x00a"),
		"in batches":   fill("]", "("+strings.Repeat("N", 1000)+"e"),
		"tuples":       fill("", "K\x01K\x02K\x03\x870"),
		"wide letters": fill("](V", "\xff"),
	}
	for name, p := range payloads {
		d := NewDecoder(100)
		d.Decode(p)
		used := cap(d.stack)*int(unsafe.Sizeof(value{})) + cap(d.nodes)*int(unsafe.Sizeof(node{})) + cap(d.memo)*int(unsafe.Sizeof(value{})) +
			cap(d.lists)*int(unsafe.Sizeof(listHead{})) + cap(d.marks)*8 + cap(d.scratch) + len(d.sparse)*64
		if used > 40*size {
			t.Errorf("%s: %d bytes for each byte", name, used/size)
		}
		d.Decode(nil)
		if kept := cap(d.stack) + cap(d.nodes) + cap(d.memo) + cap(d.lists) + cap(d.marks); kept > 5*keep {
			t.Errorf("%s: %d values kept", name, kept)
		}
	}
}

// A list that holds itself is one bad item and can be shown.
func TestCycle(t *testing.T) {
	d := NewDecoder(100)
	d.OnRefuse = func(Reason) {
		if got := string(d.AppendRefused([]byte("> "))); got != `> [[[[...]]]]` {
			t.Errorf("shown as %s", got)
		}
	}
	got, refused, err := decode(d, []byte("]q\x00h\x00a."))
	if len(got) != 0 || refused != 1 || err != nil {
		t.Errorf("got %v, %d refused, %v", got, refused, err)
	}
}
