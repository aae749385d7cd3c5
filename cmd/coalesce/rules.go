package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/coalesce-metrics/coalesce/api/aggregates"
)

// newRules makes the commands about the rules of a running daemon.
func newRules() *cobra.Command {
	var where findFlags
	var raw bool
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "List, add, delete and test rules of a running daemon",
		Long: "rules makes and removes rules while the daemon runs, by HTTP. They are kept in its\n" +
			"data directory. A rule is a pattern and an output; every output can be read in all\n" +
			"views, such as :sum and :95pct. The rules of the rule file are no part of them.",
		Args: cobra.NoArgs,
		// So that the name of no command is an error.
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	where.add(cmd.PersistentFlags())
	cmd.PersistentFlags().BoolVar(&raw, "json", false, "print the daemon's JSON")
	// sub adds a command that asks the daemon once for each of its requests.
	sub := func(use, short, example string, args cobra.PositionalArgs, requests func(args []string) []request, show func(io.Writer, []byte, []string) error) {
		cmd.AddCommand(&cobra.Command{
			Use: use, Short: short, Example: example, Args: args,
			RunE: func(cmd *cobra.Command, args []string) error {
				server, err := where.server()
				if err != nil {
					return err
				}
				ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
				defer stop()
				return askRules(ctx, server, cmd.OutOrStdout(), requests(args), func(w io.Writer, body []byte) error {
					if raw {
						_, err := w.Write(append(bytes.TrimRight(body, "\n"), '\n'))
						return err
					}
					return show(w, body, args)
				})
			},
		})
	}
	sub("list", "Show the rules", "", cobra.NoArgs, func([]string) []request {
		return []request{{http.MethodGet, aggregates.Path + "/", "", ""}}
	}, showRules)
	sub("add PATTERN OUTPUT", "Make a rule and print its id",
		"  coalesce rules add 'servers.*.requests.<code>' 'servers.all.requests.<code>'", arguments(2, 2),
		func(args []string) []request { return []request{aboutRule("/", args)} }, showMade)
	sub("delete ID…", "Remove rules", "", arguments(1, -1), func(ids []string) (all []request) {
		for _, id := range ids {
			all = append(all, request{http.MethodDelete, aggregates.Path + "/" + url.PathEscape(id) + "/", "", ""})
		}
		return all
	}, func(io.Writer, []byte, []string) error { return nil })
	sub("test PATTERN OUTPUT", "Show what a rule would do, without making it",
		"  coalesce rules test 'servers.*.<<rest>>' 'servers.all.<rest>'", arguments(2, 2),
		func(args []string) []request { return []request{aboutRule("/test", args)} }, showTrial)
	return cmd
}

func aboutRule(path string, args []string) request {
	body, err := json.Marshal(map[string]string{"pattern": args[0], "output": args[1]})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return request{http.MethodPost, aggregates.Path + path, "application/json", string(body)}
}

// askRules makes requests one after the other, up to the first that fails.
func askRules(ctx context.Context, server *url.URL, w io.Writer, all []request, show func(io.Writer, []byte) error) error {
	for _, r := range all {
		body, err := call(ctx, server, r)
		if err == nil {
			err = show(w, body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func showRules(w io.Writer, body []byte, _ []string) error {
	var list []struct{ ID, Pattern, Output string }
	if err := json.Unmarshal(body, &list); err != nil {
		return notRules(err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(list) > 0 {
		fmt.Fprintln(t, "ID\tPATTERN\tOUTPUT")
	}
	for _, r := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\n", r.ID, r.Pattern, r.Output)
	}
	return t.Flush()
}

func showMade(w io.Writer, body []byte, _ []string) error {
	var made struct{ ID string }
	err := json.Unmarshal(body, &made)
	if err == nil && made.ID == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return notRules(err)
	}
	_, err = fmt.Fprintln(w, made.ID)
	return err
}

// showTrial prints what a rule would do, and fails if it would be refused.
func showTrial(w io.Writer, body []byte, _ []string) error {
	var t struct {
		LookedAt int `json:"looked_at"`
		Matches  int
		Outputs  []struct {
			Output string
			Names  int
		}
		Cost     struct{ Program, Outputs int }
		Accepted bool
		Error    string
	}
	if err := json.Unmarshal(body, &t); err != nil {
		return notRules(err)
	}
	refused := errors.New("it would be refused: " + t.Error)
	if !t.Accepted && t.Cost.Program == 0 { // it was not tried
		return refused
	}
	fmt.Fprintf(w, "%s tried, the newest: %d matched, to make %s; the pattern has %s\n",
		count(t.LookedAt, "name"), t.Matches, count(t.Cost.Outputs, "output"), count(t.Cost.Program, "instruction"))
	for _, o := range t.Outputs {
		fmt.Fprintf(w, "%8d  %s\n", o.Names, o.Output)
	}
	if more := t.Cost.Outputs - len(t.Outputs); more > 0 {
		fmt.Fprintf(w, "          and %d more\n", more)
	}
	if !t.Accepted {
		return refused
	}
	return nil
}

func notRules(err error) error {
	return fmt.Errorf("the answer is not about rules (%w); is it a coalesce daemon?", err)
}
