package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/route"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/coalesce-metrics/coalesce/upstream"
	"github.com/spf13/cobra"
)

// explainer prints what becomes of names.
type explainer struct {
	set     *rules.Set
	matcher rules.Matcher
	out     io.Writer
	json    bool

	// With a configuration:
	cfg     *config.Config
	names   *naming.Policy
	scratch naming.Scratch
	dests   []upstream.Destination
	router  *upstream.Router
	place   *route.Place
}

// configure takes everything from a configuration file but the rules.
func (e *explainer) configure(cmd *cobra.Command, path string) (*config.Config, error) {
	cfg, problems := config.Load(path)
	dests, routes, more := destinationsOf(cfg)
	if problems = append(problems, more...); problems.Err() == nil {
		var unroutable config.Problems
		e.place, more = placeOf(cfg)
		e.router, unroutable = routerOf(cfg, dests, routes)
		problems = slices.Concat(problems, more, unroutable)
	}
	for _, p := range problems {
		fmt.Fprintln(cmd.ErrOrStderr(), p)
	}
	if problems.Err() != nil {
		return nil, errReported
	}
	names, _, diags, err := readNames(cfg.Names)
	if err != nil {
		return nil, err
	}
	for _, d := range diags {
		fmt.Fprintln(cmd.ErrOrStderr(), d)
	}
	if hasErrors(diags) {
		return nil, errReported
	}
	e.cfg, e.names, e.dests = cfg, names, dests
	return cfg, nil
}

func (e *explainer) explain(name string) error {
	m := matched{Metric: name, Outputs: []matchedOutput{}}
	inside := []byte(name)
	if e.cfg != nil {
		var d naming.Decision
		d, m.steps = e.names.Explain(inside, &e.scratch)
		if d.Dropped != naming.Kept {
			m.Dropped = d.Dropped.String()
			return e.print(&m)
		}
		inside = append([]byte(nil), d.Name...)
		m.Name = string(inside)
	}
	forward := e.cfg != nil && e.cfg.ForwardsAll() && len(e.dests) > 0
	var outputs [][]byte
	for i, match := range e.set.Match(&e.matcher, inside) {
		fields, _ := rules.Fields(match.Rule, inside)
		first := rules.AppendRow(nil, match.Output, match.Rule.Methods[0])
		outputs = append(outputs, first)
		mine := e.place == nil || e.place.Owns(first)
		forward = forward && match.Rule.Forward && (i > 0 || mine)
		for _, method := range match.Rule.Methods {
			row := rules.AppendRow(nil, match.Output, method)
			forward = forward && string(row) != string(inside)
			if !mine {
				continue
			}
			o := matchedOutput{
				Output: string(row), Method: method.String(),
				Period: match.Rule.Period, Line: match.Rule.Line, Fields: fields, file: match.Rule.File,
			}
			if e.cfg != nil {
				if e.cfg.Names.RewriteAggregates {
					o.Output = e.leaves(row)
				}
				o.Destinations = e.destinations([]byte(o.Output), upstream.Aggregate, nil)
			}
			m.Outputs = append(m.Outputs, o)
		}
	}
	if len(outputs) == 0 && e.place != nil && !e.place.Owns(inside) {
		forward = false
	}
	if forward {
		as := e.leaves(inside)
		m.Forward = &matchedForward{as, e.destinations([]byte(as), upstream.Raw, outputs)}
	}
	return e.print(&m)
}

// leaves returns what [post] rewriting makes of a name.
func (e *explainer) leaves(name []byte) string {
	if d := e.names.Post(name, &e.scratch); d.Dropped == naming.Kept {
		name = d.Name
	}
	return string(name)
}

// destinations returns where a row goes while all destinations are up.
func (e *explainer) destinations(name []byte, kind upstream.Kind, outputs [][]byte) []string {
	names := []string{}
	for _, i := range e.router.Destinations(nil, name, kind, outputs) {
		d := e.dests[i]
		text := d.String()
		if _, address, ok := strings.Cut(text, "://"); ok && d.Host != "" {
			text = address // host:port:instance, as carbon calls it
		}
		names = append(names, text)
	}
	return names
}

func (e *explainer) print(m *matched) error {
	if e.json {
		enc := json.NewEncoder(e.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(m)
	}
	var b strings.Builder
	fmt.Fprintln(&b, m.Metric)
	for _, s := range m.steps {
		where := s.Stage
		if s.File != "" {
			where = fmt.Sprintf("%s, %s:%d", s.Stage, s.File, s.Line)
		}
		if s.Text != "" {
			where += ": " + s.Text
		}
		if s.Name != nil && s.Dropped == naming.Kept {
			fmt.Fprintf(&b, "  is then %s  (%s)\n", s.Name, where)
		}
	}
	switch {
	case m.Dropped != "":
		fmt.Fprintf(&b, "  is dropped: %s\n", m.Dropped)
	case len(m.Outputs) == 0:
		fmt.Fprintln(&b, "  no rule matches")
	}
	for _, o := range m.Outputs {
		fmt.Fprintf(&b, "  %s  %s of %d s  (%s:%d)%s\n", o.Output, o.Method, o.Period, o.file, o.Line, goesTo(o.Destinations))
	}
	if m.Forward != nil {
		fmt.Fprintf(&b, "  is forwarded as %s%s\n", m.Forward.Name, goesTo(m.Forward.Destinations))
	}
	_, err := io.WriteString(e.out, b.String())
	return err
}

func goesTo(destinations []string) string {
	switch {
	case destinations == nil:
		return "" // without a configuration
	case len(destinations) == 0:
		return "  to no destination"
	}
	return "  to " + strings.Join(destinations, ", ")
}
