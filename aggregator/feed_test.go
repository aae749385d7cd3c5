package aggregator

import (
	"fmt"
	"testing"

	"github.com/coalesce-metrics/coalesce/cell"
	"github.com/coalesce-metrics/coalesce/rules"
)

// However often a rule is edited whose outputs stay, they take no more numbers, rooms in
// lanes and counters than for a few rules; and no value is wrong by that.
func TestEditsOfARuleLeaveNothing(t *testing.T) {
	k := start(t, 1000, "", nil)
	const edits, outputs = 300, 50
	for i := range edits {
		k.reload(fmt.Sprintf("out.<n> (10) = sum in.<n>(edit%d)?\n", i))
		for n := range outputs {
			k.add(fmt.Sprint("in.", n), 1, k.now)
			if i%7 == 0 {
				k.add(fmt.Sprint("in.", n), 1, k.now-10) // late
			}
		}
		k.tick(k.now + 1)
	}
	if k.a.nextFeed > 3*outputs {
		t.Errorf("%d numbers for %d outputs", k.a.nextFeed, outputs)
	}
	for i, l := range k.a.lanes {
		if len(l.slots) > 3*outputs+64 {
			t.Errorf("lane %d has room for %d feeds", i, len(l.slots))
		}
	}
	if n := len(k.a.ruleByID); n > 2 {
		t.Errorf("%d rules are known", n)
	}
	for _, s := range k.a.RuleStats() {
		if s.Outputs != outputs {
			t.Errorf("%d outputs, want %d", s.Outputs, outputs)
		}
	}
	k.through(k.now + 100)
	sum, latest := 0.0, map[Row]float64{}
	for _, r := range k.rows {
		id := Row{Name: r.Name, Time: r.Time}
		sum += r.Value - latest[id]
		latest[id] = r.Value
	}
	if want := float64(outputs * (edits + (edits+6)/7)); sum != want {
		t.Errorf("the rows have %v datapoints, %v came", sum, want)
	}
	k.balance(k.a.Stats())
}

// What reached an output by rules of which one has gone is still counted for the other,
// which has the output all the while.
func TestEditOfOneOfTwoRules(t *testing.T) {
	const kept = "out (10) = sum i<x>\n"
	k := start(t, 1000, kept+"out (10) = sum in\n", nil)
	want := func(matched uint64) {
		t.Helper()
		if s := k.a.RuleStats()[0]; s.Outputs != 1 || s.Matched != matched || s.Dropped != 0 {
			t.Errorf("at %v: %+v, want %d matched", k.now, s, matched)
		}
	}
	for i := range 5 {
		k.add("in", 1, k.now)
		k.reload(fmt.Sprintf(kept+"out (10) = sum in(%d)?\n", i))
		k.add("in", 1, k.now)
		k.tick(k.now + 0.5)
		want(uint64(2*i + 1)) // what came before the edit
	}
	k.through(1100)
	want(10)
	k.want(Row{"out", 10, 1000})
}

// All numbers may be taken. Then datapoints are dropped and counted, and go on when
// outputs have left.
func TestNoNumbersLeft(t *testing.T) {
	k := start(t, 1000, "out.<n> (10) = sum in.<n>\nother.<n> (10) = sum in.<n>\n", nil)
	view := rules.View{ID: "v", Measure: "in.1", MaxRows: 10}
	k.add("in.1", 1, 1000)
	id := k.stream(Stream{Period: 10, Method: cell.Sum, Emit: true, Grace: -1})
	k.a.nextFeed = numberMask
	k.a.SetRules(viewSet(t, "out.<n> (10) = sum in.<n>\nother.<n> (10) = sum in.<n>\n", view))
	k.add("in.1", 1, 1000)
	k.drops(OutputsFull, 1) // the view's row
	for i := range 3 {
		k.add("in.2", 1, 1000)
		k.measure(id, "in.3", plain(1, 1000))
		k.drops(OutputsFull, 1+5*(i+1))
	}
	k.through(1100)
	k.want(Row{"out.1", 2, 1000}, Row{"other.1", 2, 1000})
	k.through(1000 + 2*3600) // all leave
	k.add("in.2", 1, k.now)
	k.drops(OutputsFull, 16)
	k.through(k.now + 100)
	k.want(Row{"out.2", 1, 8200}, Row{"other.2", 1, 8200})
}
