package main

import (
	"fmt"

	"github.com/coalesce-metrics/coalesce/config"
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
		out := cmd.OutOrStdout()
		path, err := config.Find(configPath)
		if err != nil {
			return err
		}
		var overrides []config.Override
		if cmd.Flags().Changed("rules") {
			overrides = append(overrides, config.Override{Flag: "rules", Value: rulesPath})
		}
		cfg, problems := config.Load(path, overrides...)
		for _, p := range problems {
			fmt.Fprintln(out, p)
		}
		bad := problems.Err() != nil
		dests, _, more := destinationsOf(cfg)
		if !bad {
			more = append(more, whisperProblems(cfg, dests)...)
			_, misplaced := placeOf(cfg)
			more = append(more, misplaced...)
		}
		for _, p := range more {
			fmt.Fprintln(out, p)
			bad = true
		}
		if !cmd.Flags().Changed("rules") {
			rulesPath = cfg.Rules
		}
		_, parsed, diags, err := readRules(rulesPath, cfg.Prefix)
		if err != nil {
			fmt.Fprintf(out, "%s: error: %v\n", rulesPath, err)
			bad = true
		}
		_, _, named, err := readNames(cfg.Names)
		if err != nil {
			fmt.Fprintf(out, "%s: error: names: %v\n", orDefaults(path), err)
			bad = true
		}
		diags = append(diags, named...)
		for _, d := range diags {
			fmt.Fprintln(out, d)
		}
		if bad || hasErrors(diags) {
			return errReported
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s and %s (%d rules): no errors\n", orDefaults(path), rulesPath, len(parsed))
		return nil
	}
	return cmd
}

func orDefaults(path string) string {
	if path == "" {
		return "the built-in configuration"
	}
	return path
}
