package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// count writes how many things there are: "1 rule", "2 rules".
func count[N int | int64 | uint64](n N, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// arguments checks how many a command is given: from least to most, or any number
// from least on where most is negative.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n := len(args); n < least || most >= 0 && n > most {
			return fmt.Errorf("%s given; accepted: %s%s", count(n, "argument"), cmd.CommandPath(), strings.TrimPrefix(cmd.Use, cmd.Name()))
		}
		return nil
	}
}
