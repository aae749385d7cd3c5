package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/coalesce-metrics/coalesce/rules"
	"github.com/spf13/cobra"
)

func newCheck() *cobra.Command {
	var configPath, rulesPath string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and the rules",
		Long: "check reads the configuration and the rule file as run would, and prints what is\n" +
			"wrong or doubtful as FILE:LINE:COL: error: … or warning: …. It exits with 1 if\n" +
			"there is an error.",
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&configPath, "config", "", "configuration file (default coalesce.toml here, then in /etc/coalesce)")
	cmd.Flags().StringVar(&rulesPath, "rules", "", "rule file instead of the configured one")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path, err := config.Find(configPath)
		if err != nil {
			return err
		}
		var overrides []config.Override
		if cmd.Flags().Changed("rules") {
			overrides = append(overrides, config.Override{Flag: "rules", Value: rulesPath})
		}
		cfg, problems := config.Load(path, overrides...)
		problems = append(problems, beyondConfig(cfg, problems)...)
		for _, p := range problems {
			fmt.Fprintln(cmd.OutOrStdout(), p)
		}
		bad := problems.Err() != nil
		if !cmd.Flags().Changed("rules") {
			rulesPath = cfg.Rules
		}
		var parsed []*rules.Rule
		var diags []rules.Diagnostic
		if cfg.Read() || cmd.Flags().Changed("rules") {
			parsed, _, diags, err = readRules(rulesPath, cfg.Prefix)
		}
		if err != nil {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: error: %v\n", rulesPath, err)
			bad = true
		}
		_, _, named, err := readNames(cfg.Names)
		if err != nil {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: error: %v\n", orDefaults(path), err)
			bad = true
		}
		diags = slices.Concat(diags, named, unwindowed(cfg, parsed))
		for _, d := range diags {
			fmt.Fprintln(cmd.OutOrStdout(), d)
		}
		if bad || hasErrors(diags) {
			return errReported
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s and %s (%s): no errors\n", orDefaults(path), rulesPath, count(len(parsed), "rule"))
		return nil
	}
	return cmd
}

// beyondConfig returns the problems that package config cannot see, those of files
// that the settings name included: after others, those of the destinations alone.
func beyondConfig(cfg *config.Config, others config.Problems) config.Problems {
	dests, routes, problems := destinationsOf(cfg)
	if others.Err() != nil {
		return problems
	}
	if len(problems) == 0 {
		_, problems = routerOf(cfg, dests, routes)
	}
	if info, err := os.Stat(cfg.Data); err == nil && !info.IsDir() {
		problems = append(problems, cfg.Problem("data", "it is there and no directory; accepted: a directory, or a path where one can be made"))
	}
	_, misplaced := placeOf(cfg)
	_, unkeepable := inputRules(cfg)
	_, unseen := forwardViews(cfg)
	return slices.Concat(problems, whisperProblems(cfg, dests), tlsProblems(cfg, dests), misplaced, unkeepable, unseen, viewProblems(cfg))
}

// unwindowed warns of rules whose cells are kept at their own period only.
func unwindowed(cfg *config.Config, parsed []*rules.Rule) (diags []rules.Diagnostic) {
	if cfg.Store.At == "off" {
		return nil
	}
	var steps []string
	for _, w := range cfg.AllWindows() {
		steps = append(steps, fmt.Sprintf("%s (%s)", w.Name, w.Step))
	}
	for _, r := range parsed {
		fits := slices.ContainsFunc(cfg.AllWindows(), func(w config.Window) bool { return int64(seconds(w.Step))%r.Period == 0 })
		if !fits {
			diags = append(diags, rules.Diagnostic{File: r.File, Line: r.Line, Warning: true, Msg: fmt.Sprintf(
				"no window has a step that is a multiple of the period %d: its cells are kept for store.retention = %q only; the windows are %s",
				r.Period, cfg.Store.Retention, strings.Join(steps, ", "))})
		}
	}
	return diags
}

func orDefaults(path string) string {
	if path == "" {
		return "the built-in configuration"
	}
	return path
}
