package rulebook

import (
	"encoding/json"
	"time"

	"github.com/coalesce-metrics/coalesce/ledger"
)

// record is one change in the file.
type record struct {
	Op      string     `json:"op"`
	ID      string     `json:"id"`
	Owner   string     `json:"owner,omitempty"`
	Pattern string     `json:"pattern,omitempty"`
	Output  string     `json:"output,omitempty"`
	Created *time.Time `json:"created,omitempty"`
}

func addition(r *Rule) record {
	return record{opAdd, r.ID, r.Owner, r.Pattern, r.Output, &r.Created}
}

const (
	opAdd    = "add"
	opDelete = "delete"
)

// openFile takes in the rules of the file, none of which is in force yet.
func (b *Book) openFile() (err error) {
	b.file, err = ledger.Open(ledger.Config{
		Path: b.cfg.Path, What: "rules made over HTTP", Logger: b.cfg.Logger, Take: b.take, All: b.records, Len: b.len,
	})
	return err
}

// take makes a change of the file, and reports whether it is one.
func (b *Book) take(text []byte) bool {
	var r record
	if json.Unmarshal(text, &r) != nil || r.ID == "" {
		return false
	}
	known := b.byID[r.ID]
	switch {
	case r.Op == opAdd && r.Created != nil && known == nil:
		b.add(Rule{r.ID, r.Owner, r.Pattern, r.Output, *r.Created})
		return true
	case r.Op == opDelete:
		if known != nil {
			b.remove(known)
		}
		return true
	}
	return false
}
