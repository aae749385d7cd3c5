// Command coalesce is a Graphite-compatible carbon aggregator daemon.
//
// This package holds its subcommands and wires the others together; `coalesce
// help` lists them.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := newRoot().Execute(); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, "coalesce:", err)
		}
		os.Exit(1)
	}
}

// errReported ends a command with status 1 when all has been said.
var errReported = errors.New("reported")

func newRoot() *cobra.Command {
	run := newRun()
	root := &cobra.Command{
		Use:   "coalesce",
		Short: "Aggregate Graphite metrics by rules, as carbon-aggregator does",
		Long: "coalesce takes Graphite plaintext, combines the datapoints of each period into the\n" +
			"outputs that its rules name, sends those to Graphite and answers queries about them.\n" +
			"Without a command it runs the daemon.",
		Args:          cobra.NoArgs,
		RunE:          run.RunE,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.Flags().AddFlagSet(run.Flags())
	root.AddCommand(run, newCheck(), newMatch(), newAggregate(), newImport(), newKey(), newNode(), newQuery(), newRules(), newVersion())
	return root
}
