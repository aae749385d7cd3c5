package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// modelRule is a rule as the model understands it, beside its text for the
// program: the test's author has translated the pattern.
type modelRule struct {
	text    string         // of the rule file
	pattern *regexp.Regexp // of the whole name
	output  string         // with $1 and so on, and <method>
	period  int64
	methods []string
}

// model is the aggregator as simple as it gets: it keeps every value of every
// bucket for ever.
type model struct {
	mu      sync.Mutex // guards buckets
	buckets map[modelBucket][]float64
}

type modelBucket struct {
	output  string
	methods string // joined by blanks
	start   int64
}

func newModel() *model { return &model{buckets: make(map[modelBucket][]float64)} }

// add takes one datapoint to the outputs of the rules, and returns how many
// those are.
func (m *model) add(rules []modelRule, name string, value float64, at int64) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	reached := make(map[modelBucket]bool)
	for _, r := range rules {
		match := r.pattern.FindStringSubmatchIndex(name)
		if match == nil {
			continue
		}
		start := at - at%r.period
		b := modelBucket{string(r.pattern.ExpandString(nil, r.output, name, match)), strings.Join(r.methods, " "), start}
		if !reached[b] {
			reached[b] = true
			m.buckets[b] = append(m.buckets[b], value)
		}
	}
	return len(reached)
}

// rows returns the values by "name timestamp".
func (m *model) rows() map[string]float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := make(map[string]float64)
	for b, values := range m.buckets {
		for _, method := range strings.Fields(b.methods) {
			name := strings.ReplaceAll(b.output, "<method>", strings.ReplaceAll(method, ".", ""))
			rows[fmt.Sprintf("%s %d", name, b.start)] = modelValue(method, values)
		}
	}
	return rows
}

func modelValue(method string, values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	switch method {
	case "sum":
		return sum
	case "avg":
		return sum / float64(len(values))
	case "min":
		return values[0]
	case "max":
		return values[len(values)-1]
	case "count":
		return float64(len(values))
	case "range":
		return values[len(values)-1] - values[0]
	}
	fraction, err := strconv.ParseFloat("0."+strings.ReplaceAll(strings.TrimPrefix(method, "p"), ".", ""), 64)
	if err != nil {
		panic("the model has no method " + method)
	}
	rank := fraction * float64(len(values)-1)
	low, high := math.Floor(rank), math.Ceil(rank)
	if low == high {
		return values[int(low)]
	}
	return values[int(low)]*(high-rank) + values[int(high)]*(rank-low)
}

// ruleFileOf returns the text of rules.
func ruleFileOf(rules ...modelRule) string {
	var b strings.Builder
	for _, r := range rules {
		b.WriteString(r.text + "\n")
	}
	return b.String()
}

// number writes a value as the program has to: the shortest decimal.
func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
