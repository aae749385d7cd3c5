package measurements

import (
	"encoding/json"
	"fmt"

	"github.com/coalesce-metrics/coalesce/attributes"
	"github.com/coalesce-metrics/coalesce/jsonscan"
)

const (
	wantMeasurements = `accepted: an object such as {"measurements":[{"name":"cpu","value":1,"tags":{"host":"a"}}]}`
	wantGauges       = `accepted: an object such as {"gauges":[{"name":"cpu","value":1,"source":"a"}]}`
)

// parseJSON reads the body of a request, of measurements or of the legacy form. An
// error says that it is not well-formed; what else is wrong is in b.bad.
func (b *batch) parseJSON(legacy bool, limit int) error {
	s := &b.scan
	s.Reset(b.body)
	want := wantMeasurements
	if legacy {
		want = wantGauges
	}
	if s.Kind() != jsonscan.Object {
		return fmt.Errorf("no JSON object; %s", want)
	}
	var key []byte
	for s.Object(); s.Key(&key); {
		switch {
		case !legacy && string(key) == "measurements":
			b.parseItems(plain, limit)
		case legacy && string(key) == "gauges":
			b.parseItems(gauges, limit)
		case legacy && string(key) == "counters":
			b.parseItems(counters, limit)
		default:
			b.parseField(&b.top, key, legacy)
		}
	}
	if err := s.End(); err != nil {
		return fmt.Errorf("not JSON: %w; %s", err, want)
	}
	return nil
}

// parseItems reads the measurements of a group: an array, or in the legacy form
// also an object.
func (b *batch) parseItems(g group, limit int) {
	s := &b.scan
	index := 0
	switch kind := s.Kind(); {
	case kind == jsonscan.Array:
		for s.Array(); s.More(); index++ {
			b.parseItem(g, index, nil, limit)
		}
	case kind == jsonscan.Object && g != plain:
		var key []byte
		for s.Object(); s.Key(&key); index++ {
			b.parseItem(g, index, key, limit)
		}
	case kind == jsonscan.Null:
		s.Null()
	default:
		b.refuse(&b.top, groupNames[g], "is no array: %.100s", s.Skip())
	}
}

func (b *batch) parseItem(g group, index int, in []byte, limit int) {
	s := &b.scan
	it := b.next(g, index, limit)
	if it == nil {
		s.Skip()
		return
	}
	it.key = in
	if s.Kind() != jsonscan.Object {
		b.refuse(it, groupNames[g], "has what is no object: %.100s", s.Skip())
		return
	}
	var key []byte
	for s.Object(); s.Key(&key); {
		b.parseField(it, key, g != plain)
	}
	if it.name == nil {
		it.name = in
	}
}

// parseField reads one field of an item; unknown ones are ignored.
func (b *batch) parseField(it *item, key []byte, legacy bool) {
	switch string(key) {
	case "name":
		b.parseText(&it.name, it, "name")
	case "value":
		b.parseNumber(it, value)
	case "count":
		b.parseNumber(it, count)
	case "sum":
		b.parseNumber(it, sum)
	case "min":
		b.parseNumber(it, lowest)
	case "max":
		b.parseNumber(it, highest)
	case "last":
		b.parseNumber(it, last)
	case "stddev":
		b.parseNumber(it, stddev)
	case "stddev_m2":
		b.parseNumber(it, m2)
	case "sum_squares":
		b.parseNumber(it, squares)
	case "period":
		b.parseNumber(it, period)
	case "attributes":
		it.attributes = b.scan.Skip()
	default:
		b.parseOwn(it, key, legacy)
	}
}

// parseOwn reads what only one of the two forms has.
func (b *batch) parseOwn(it *item, key []byte, legacy bool) {
	switch {
	case !legacy && string(key) == "time", legacy && string(key) == "measure_time":
		b.parseNumber(it, at)
	case !legacy && string(key) == "tags":
		b.parseTags(it)
	case legacy && string(key) == "source":
		b.parseText(&it.source, it, "source")
	default:
		b.scan.Skip()
	}
}

func (b *batch) parseText(to *[]byte, it *item, name string) {
	switch b.scan.Kind() {
	case jsonscan.Text:
		*to = b.scan.Text()
	case jsonscan.Null:
		b.scan.Null()
	default:
		b.refuse(it, name, "is no text: %.100s", b.scan.Skip())
	}
}

func (b *batch) parseNumber(it *item, f field) {
	switch b.scan.Kind() {
	case jsonscan.Number:
		it.set(f, b.scan.Float())
	case jsonscan.Null:
		b.scan.Null()
	default:
		b.refuse(it, it.fieldName(f), "is no number: %.100s", b.scan.Skip())
	}
}

// fieldName returns what clients call a field.
func (it *item) fieldName(f field) string {
	if f == at && it.group != plain {
		return "measure_time"
	}
	return fieldNames[f]
}

// parseTags reads an object of texts.
func (b *batch) parseTags(it *item) {
	s := &b.scan
	switch s.Kind() {
	case jsonscan.Object:
	case jsonscan.Null:
		s.Null()
		return
	default:
		b.refuse(it, "tags", "are no object: %.100s", s.Skip())
		return
	}
	it.tags = len(b.tags)
	var key []byte
	for s.Object(); s.Key(&key); {
		t := tag{key: key}
		switch s.Kind() {
		case jsonscan.Text:
			t.value = s.Text()
		case jsonscan.Null:
			s.Null()
			t.null = true
		default:
			b.refuse(it, "tags", "has %.100q with what is no text: %.100s", key, s.Skip())
			continue
		}
		b.tags = append(b.tags, t)
	}
	it.tagsEnd = len(b.tags)
}

// parseProperties reads an object of properties into a change, each under a
// prefix. What is in an object of attributes gets the prefix "attributes.".
func parseProperties(s *jsonscan.Scanner, prefix string, c attributes.Change, other func(key string)) {
	var key []byte
	for s.Object(); s.Key(&key); {
		name := prefix + string(key)
		switch kind := s.Kind(); {
		case name == "attributes" && kind == jsonscan.Object:
			parseProperties(s, "attributes.", c, nil)
		case other != nil && (name == "names" || name == "exclude"):
			other(name)
		case kind == jsonscan.Text:
			c[name] = string(s.Text())
		case kind == jsonscan.Number:
			c[name] = json.Number(s.Number())
		case kind == jsonscan.Bool:
			c[name] = s.Bool()
		case kind == jsonscan.Null:
			s.Null()
			c[name] = nil
		default:
			c[name] = json.RawMessage(s.Skip()) // which no property accepts
		}
	}
}
