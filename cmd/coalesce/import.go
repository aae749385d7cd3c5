package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coalesce-metrics/coalesce/carbonconf"
	"github.com/spf13/cobra"
)

func newImport() *cobra.Command {
	var instance string
	cmd := &cobra.Command{
		Use:   "import [--instance NAME] CARBON_CONF",
		Short: "Make a configuration of carbon's",
		Long: "import reads the settings of carbon-aggregator in a carbon.conf and prints a\n" +
			"commented configuration that behaves the same. What behaves otherwise is in the\n" +
			"comments and on standard error. It exits with 1, and prints no configuration, if\n" +
			"carbon-aggregator would not start with the file either.",
		Example: "  coalesce import /etc/carbon/carbon.conf >coalesce.toml",
		Args:    arguments(1, 1),
	}
	cmd.Flags().StringVar(&instance, "instance", "a", "carbon-aggregator's --instance, whose section [aggregator:NAME] is read over [aggregator]")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := readAtMost(args[0], carbonconf.FileMax+1)
		if err != nil {
			return err
		}
		path, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		toml, problems := carbonconf.Convert(args[0], text, carbonconf.Options{
			Instance: instance, Dir: filepath.Dir(path), Exists: exists,
		})
		for _, p := range problems {
			fmt.Fprintln(cmd.ErrOrStderr(), p)
		}
		if problems.Err() != nil {
			return errReported
		}
		_, err = cmd.OutOrStdout().Write(toml)
		return err
	}
	return cmd
}

// readAtMost returns the beginning of a file.
func readAtMost(path string, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, n))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return text, nil
}

// exists reports whether there is a file; one that cannot be looked at may be.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
