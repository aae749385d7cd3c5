package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// checkRoutes checks the routes, their references, and what they leave out.
func (k *checker) checkRoutes(c *Config) {
	var names []string
	for _, d := range c.AllDestinations() {
		names = append(names, d.Name)
	}
	used := map[string]bool{}
	var all []int // the routes before that take every name, for good
	for i := range c.Routes {
		r, path := &c.Routes[i], element("route", i)
		k.checkRoute(path, r, names)
		for _, name := range r.To {
			used[name] = true
		}
		for _, j := range all {
			if before := &c.Routes[j]; before.Send == "all" || before.Send == r.Send {
				k.report(Warning, []string{path}, nil, "takes nothing, since %s takes every name before it; accepted: an order "+
					"with the narrower route first, or stop = false there", element("route", j))
				break
			}
		}
		if r.Pattern == "" && r.Stop {
			all = append(all, i)
		}
	}
	for i, name := range names {
		if len(c.Routes) > 0 && !used[name] && name != "" {
			k.report(Warning, []string{c.DestinationKey(i)}, name, "gets nothing; accepted: its name in a [[route]]")
		}
	}
}

// checkRoute checks one [[route]] by itself and its references to the names.
func (k *checker) checkRoute(path string, r *Route, names []string) {
	to := join(path, "to")
	if len(r.To) == 0 {
		k.report(Error, []string{to, path}, nil, "empty; accepted: one or more names of destinations")
	}
	for i, name := range r.To {
		switch {
		case slices.Index(r.To, name) < i:
			k.errorf(element(to, i), name, "already in the list; accepted: each destination once")
		case !slices.Contains(names, name):
			k.errorf(element(to, i), name, "no such destination; accepted: %s", quoted(names))
		}
	}
	if strings.ContainsFunc(r.Pattern, unicode.IsControl) {
		k.errorf(join(path, "pattern"), r.Pattern, "holds a control character, which is in no name; accepted: a regular expression")
	}
	if r.ringed() {
		if r.Replication > len(r.To) && len(r.To) > 0 {
			k.report(Warning, []string{join(path, "replication")}, r.Replication,
				"above the number of destinations, %d; accepted: at most that", len(r.To))
		}
		return
	}
	if r.Mode != "all" && r.Mode != "failover" && r.Mode != "round-robin" {
		return
	}
	const where = `in a mode without a ring, that is, others than "hash" and "aggregated-hash"`
	def := newRoute()
	k.noEffect(r.Hash != def.Hash, join(path, "hash"), r.Hash, where)
	k.noEffect(r.Replication != def.Replication, join(path, "replication"), r.Replication, where)
	k.noEffect(r.Diverse != def.Diverse, join(path, "diverse"), r.Diverse, where)
}

// quotedMax bounds the names that one message lists.
const quotedMax = 10

// quoted lists names for people.
func quoted(names []string) string {
	if len(names) == 0 {
		return "none, since there are no destinations"
	}
	var list []string
	for _, name := range names[:min(len(names), quotedMax)] {
		list = append(list, excerpt(fmt.Sprintf("%q", name)))
	}
	if more := len(names) - quotedMax; more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return orList(list)
}

// checkPlace checks that this instance is in its ring.
func (k *checker) checkPlace(c *Config) {
	p := &c.Place
	if len(p.Ring) > listMax {
		k.errorf("place.ring", p.Ring, "%d instances; accepted: at most %d", len(p.Ring), listMax)
	}
	for i, e := range p.Ring {
		if slices.Index(p.Ring, e) < i {
			k.errorf(element("place.ring", i), e, "already in the ring; accepted: each instance once")
		}
	}
	if (len(p.Ring) > 0 || p.Self != "") && !slices.Contains(p.Ring, p.Self) {
		k.report(Error, []string{"place.self", "place.ring"}, p.Self, "not an element of place.ring; accepted: %s", ringText(p.Ring))
	}
}

// ringText lists the elements of a ring for people.
func ringText(ring []string) string {
	if len(ring) == 0 {
		return `"", or a ring that has it`
	}
	return quoted(ring)
}
