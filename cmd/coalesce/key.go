package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/coalesce-metrics/coalesce/keys"
	"github.com/spf13/cobra"
)

func newKey() *cobra.Command {
	var hash bool
	var roles []string
	cmd := &cobra.Command{
		Use:   "key [--roles ROLE,…] [NAME] | key --hash",
		Short: "Make a key for clients of HTTP",
		Long: "key prints a new key on standard output, and on standard error the lines that make\n" +
			"the daemon accept it, which hold its hash only. The key cannot be shown again.\n" +
			"With --hash it reads a key from standard input and prints the line of its hash.",
		Example: "  coalesce key grafana --roles read 2>>/etc/coalesce/coalesce.toml",
		Args:    arguments(0, 1),
	}
	f := cmd.Flags()
	f.StringSliceVar(&roles, "roles", []string{keys.Read.String()}, "what its client may do: read, ingest, manage")
	f.BoolVar(&hash, "hash", false, "print the hash of a key on standard input")
	cmd.MarkFlagsMutuallyExclusive("hash", "roles")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if hash {
			if len(args) > 0 {
				return fmt.Errorf("%q with --hash, which has no use for a name", args[0])
			}
			return printHash(cmd.OutOrStdout(), cmd.InOrStdin())
		}
		name := "client"
		if len(args) > 0 {
			name = args[0]
		}
		return printKey(cmd.OutOrStdout(), cmd.ErrOrStderr(), name, roles)
	}
	return cmd
}

// printKey prints a new key, and what the configuration should have of it.
func printKey(out, lines io.Writer, name string, roles []string) error {
	if err := keys.CheckName(name); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if len(roles) == 0 {
		return errors.New("--roles is empty; accepted: read, ingest, manage, with commas between them")
	}
	quoted := make([]string, len(roles))
	for i, role := range roles {
		if _, err := keys.ParseRole(role); err != nil {
			return fmt.Errorf("--roles %q: %w", role, err)
		}
		quoted[i] = fmt.Sprintf("%q", role)
	}
	key := keys.Generate()
	if _, err := fmt.Fprintln(out, key); err != nil {
		return err
	}
	_, err := fmt.Fprintf(lines, "\n[[key]]\nname = %q\n%sroles = [%s]\n", name, hashLine(key), strings.Join(quoted, ", "))
	return err
}

func hashLine(key string) string { return fmt.Sprintf("hash = %q\n", keys.Sum(key)) }

// maxKeyLine bounds what is read in search of the end of a line, in bytes.
const maxKeyLine = 4096

// printHash prints the hash of the key in the first line.
func printHash(out io.Writer, in io.Reader) error {
	line, err := bufio.NewReader(io.LimitReader(in, maxKeyLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("standard input: %w", err)
	}
	key := strings.TrimRight(line, "\r\n")
	if err := keys.CheckKey(key); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	_, err = io.WriteString(out, hashLine(key))
	return err
}
