package node

import (
	"context"
	"errors"
	"strings"
)

// record handles record_metric.
func (n *Node) record(ctx context.Context, f fields) error {
	metric, err := f.metric()
	if err != nil {
		return err
	}
	value, ok, err := f.number("value")
	if err == nil && !ok {
		err = bad("value is missing; it must be a number")
	}
	if err != nil {
		return err
	}
	tags, err := f.textMap("tags")
	if err != nil {
		return err
	}
	at, ok, err := f.seconds("timestamp")
	if err != nil {
		return err
	}
	if !ok || at == -1 { // carbon's word for now
		at = float64(n.cfg.Now().Unix()) // whole, as some of those who are sent the value refuse a fraction
	}
	if err := checkName(metric, tags); err != nil {
		return err
	}
	err = n.cfg.Source.Record(ctx, metric, value, tags, at)
	switch {
	case errors.Is(err, ErrRefused):
		return bad("%s", err)
	case err != nil && !errors.Is(err, ErrLoading):
		// It may have been recorded or not, which only crash allows for.
		n.cfg.Logger.Error("a value was not recorded", "metric", metric, "err", err)
		return faultf(crash, "recording failed: %s", err)
	}
	return err
}

// checkName refuses what cannot be written as name;key=value.
func checkName(metric string, tags map[string]string) error {
	if i := strings.IndexFunc(metric, apart); i >= 0 || metric[0] == '~' {
		return bad("metric %q cannot be recorded: a name has no space, control character or ; and does not begin with ~",
			clip([]byte(metric)))
	}
	for k, v := range tags {
		if k == "" || k == "name" || strings.ContainsAny(k, "!^=") || strings.IndexFunc(k, apart) >= 0 {
			return bad("tag %q: a key is not empty, not the word name, and without space, control character or any of ; ! ^ =",
				clip([]byte(k)))
		}
		if v == "" || v[0] == '~' || strings.IndexFunc(v, apart) >= 0 {
			return bad("tag %q is %q: a value is not empty, without space, control character or ; and does not begin with ~",
				clip([]byte(k)), clip([]byte(v)))
		}
	}
	return nil
}

// apart tells what ends a name or tag in a series name.
func apart(r rune) bool { return r <= ' ' || r == 0x7f || r == ';' }
