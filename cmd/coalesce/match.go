package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/naming"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/spf13/cobra"
)

// matched is what `match --json` writes for one name. What has no omitempty is
// always there.
type matched struct {
	Metric  string          `json:"metric"`
	Name    string          `json:"name,omitempty"`    // with a configuration: what the rules see
	Dropped string          `json:"dropped,omitempty"` // with a configuration: why it is filtered
	Outputs []matchedOutput `json:"outputs"`
	Forward *matchedForward `json:"forward,omitempty"`

	steps []naming.Step
}

type matchedOutput struct {
	Output       string            `json:"output"`
	Method       string            `json:"method"`
	Period       int64             `json:"period"`
	Line         int               `json:"line"`
	Fields       map[string]string `json:"fields"`
	Destinations []string          `json:"destinations,omitzero"`

	file string
}

// matchedForward is the raw datapoint as it goes upstream.
type matchedForward struct {
	Name         string   `json:"name"`
	Destinations []string `json:"destinations"`
}

func newMatch() *cobra.Command {
	var rulesPath, prefix, configPath string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "match [--config FILE | --rules FILE] [--prefix STRING] [--json] [NAME…]",
		Short: "Show which outputs metric names would feed",
		Long: "match prints what each name would feed, in the order of the rules. Names are the\n" +
			"arguments, or else the lines of standard input. With --config it also shows what\n" +
			"becomes of the name before, and where its outputs and datapoints go.",
	}
	cmd.Flags().StringVar(&configPath, "config", "", "configuration file, which names the rules, unless --rules does")
	cmd.Flags().StringVar(&rulesPath, "rules", "", "rule file")
	cmd.Flags().StringVar(&prefix, "prefix", config.Default().Prefix, "what every output begins with")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a name")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		out := bufio.NewWriter(cmd.OutOrStdout())
		defer out.Flush()
		m := &explainer{out: out, json: asJSON}
		if configPath != "" {
			cfg, err := m.configure(cmd, configPath)
			if err != nil {
				return err
			}
			if rulesPath == "" {
				rulesPath = cfg.Rules
			}
			if !cmd.Flags().Changed("prefix") {
				prefix = cfg.Prefix
			}
		}
		var err error
		if m.set, err = loadSet(cmd, rulesPath, prefix); err != nil {
			return err
		}
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
	parsed, _, diags, err := readRules(path, prefix)
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
