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
	root.InitDefaultHelpCmd()
	addCompletion(root)
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Run, cmd.RunE = nil, help
		}
	}
	root.SetFlagErrorFunc(misused)
	refuseMistakes(root)
	return root
}

// addCompletion adds cobra's own command, which it else adds so late that nothing
// makes it fail for a shell that there is not. It keeps the output that it finds.
func addCompletion(root *cobra.Command) {
	root.SetOut(output{root})
	root.InitDefaultCompletionCmd()
	root.SetOut(nil)
}

// output is what a command has as its output by the time of writing.
type output struct{ cmd *cobra.Command }

func (o output) Write(b []byte) (int, error) { return o.cmd.OutOrStdout().Write(b) }

// help shows the help of a command, as cobra's own does, but fails for one that
// there is not.
func help(cmd *cobra.Command, names []string) error {
	about, rest, err := cmd.Root().Find(names)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("unknown command %q for %q", rest[0], about.CommandPath())
	}
	if err != nil {
		return misused(cmd.Root(), err)
	}
	about.InitDefaultHelpFlag()
	return about.Help()
}

// misused says where it stands how a command is used.
func misused(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())
}

// refuseMistakes makes a command, and those below it, fail for arguments that they
// do not have. Of itself one that only has others shows its help whatever follows.
func refuseMistakes(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return misused(cmd, err)
			}
			return nil
		}
	}
	if !cmd.Runnable() {
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	for _, below := range cmd.Commands() {
		refuseMistakes(below)
	}
}
