package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/spf13/cobra"
)

// matched is what `match --json` writes for one name.
type matched struct {
	Metric  string          `json:"metric"`
	Outputs []matchedOutput `json:"outputs"`
}

type matchedOutput struct {
	Output string            `json:"output"`
	Method string            `json:"method"`
	Period int64             `json:"period"`
	Line   int               `json:"line"`
	Fields map[string]string `json:"fields"`

	file string
}

func newMatch() *cobra.Command {
	var rulesPath, prefix string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "match --rules FILE [--prefix STRING] [--json] [NAME…]",
		Short: "Show which outputs metric names would feed",
		Long: "match prints what each name would feed, in the order of the rules. Names are the\n" +
			"arguments, or else the lines of standard input.",
	}
	cmd.Flags().StringVar(&rulesPath, "rules", "", "rule file")
	cmd.Flags().StringVar(&prefix, "prefix", config.Default().Prefix, "what every output begins with")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a name")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		set, err := loadSet(cmd, rulesPath, prefix)
		if err != nil {
			return err
		}
		out := bufio.NewWriter(cmd.OutOrStdout())
		defer out.Flush()
		m := &explainer{set: set, out: out, json: asJSON}
		if len(names) > 0 {
			for _, name := range names {
				if err := m.explain(name); err != nil {
					return err
				}
			}
			return nil
		}
		in := bufio.NewScanner(cmd.InOrStdin())
		in.Buffer(make([]byte, 64<<10), rules.MaxName+1)
		for in.Scan() {
			if name := strings.TrimSpace(in.Text()); name != "" {
				if err := m.explain(name); err != nil {
					return err
				}
			}
		}
		if err := in.Err(); err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		return nil
	}
	return cmd
}

// loadSet reads the rule file of an offline command. Its diagnostics go to
// standard error.
func loadSet(cmd *cobra.Command, path, prefix string) (*rules.Set, error) {
	if path == "" {
		path = config.Default().Rules
	}
	_, parsed, diags, err := readRules(path, prefix)
	if err != nil {
		return nil, err
	}
	for _, d := range diags {
		fmt.Fprintln(cmd.ErrOrStderr(), d)
	}
	if hasErrors(diags) {
		return nil, errReported
	}
	return rules.NewSet(parsed), nil
}

// explainer prints what names feed.
type explainer struct {
	set     *rules.Set
	matcher rules.Matcher
	out     io.Writer
	json    bool
}

func (e *explainer) explain(name string) error {
	m := matched{Metric: name, Outputs: []matchedOutput{}}
	for _, match := range e.set.Match(&e.matcher, []byte(name)) {
		fields, _ := rules.Fields(match.Rule, []byte(name))
		for _, method := range match.Rule.Methods {
			m.Outputs = append(m.Outputs, matchedOutput{
				Output: string(rules.AppendRow(nil, match.Output, method)), Method: method.String(),
				Period: match.Rule.Period, Line: match.Rule.Line, Fields: fields, file: match.Rule.File,
			})
		}
	}
	if e.json {
		enc := json.NewEncoder(e.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(m)
	}
	fmt.Fprintln(e.out, name)
	if len(m.Outputs) == 0 {
		fmt.Fprintln(e.out, "  no rule matches")
	}
	for _, o := range m.Outputs {
		if _, err := fmt.Fprintf(e.out, "  %s  %s of %d s  (%s:%d)\n", o.Output, o.Method, o.Period, o.file, o.Line); err != nil {
			return err
		}
	}
	return nil
}
