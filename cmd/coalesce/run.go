package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coalesce-metrics/coalesce/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newRun() *cobra.Command {
	var configPath string
	d := config.Default()
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: "run takes datapoints until SIGTERM or SIGINT; a second one ends it at once. SIGHUP\n" +
			"reads the rules again. Flags override the configuration file.",
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&configPath, "config", "", "configuration file (default coalesce.toml here, then in /etc/coalesce)")
	f.String("rules", d.Rules, "rule file")
	f.String("listen", d.Listen, "address for plaintext over TCP and UDP; empty is none")
	f.String("listen-pickle", d.ListenPickle, "address for pickle over TCP; empty is none")
	f.String("http", d.HTTP.Listen, "address for HTTP; empty is none")
	f.String("upstream", "", "destinations, separated by commas: host:port or plaintext://…, pickle://host:port, tls://…, udp://…, unix:///path, whisper:///dir, stdout:")
	f.Bool("forward-all", true, "send the datapoints themselves upstream, too")
	f.String("prefix", d.Prefix, "what every output begins with; empty leaves names as written")
	f.String("data", d.Data, "data directory; empty keeps nothing on disk")
	f.String("log-level", d.Log.Level, "debug, info, warn or error")
	f.String("log-format", d.Log.Format, "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path, err := config.Find(configPath)
		if err != nil {
			return err
		}
		cfg, problems := config.Load(path, overrides(cmd.Flags())...)
		if problems.Err() != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), problems)
			return errReported
		}
		log := newLogger(cmd.ErrOrStderr(), cfg.Log)
		for _, p := range problems {
			log.Warn(p.String())
		}
		if path == "" {
			log.Info("no configuration file, the defaults apply")
		}
		return runDaemon(cmd.Context(), cfg, log, cmd.OutOrStdout())
	}
	return cmd
}

// overrides returns the flags that were given.
func overrides(flags *pflag.FlagSet) (out []config.Override) {
	flags.Visit(func(f *pflag.Flag) {
		if f.Name != "config" {
			out = append(out, config.Override{Flag: f.Name, Value: f.Value.String()})
		}
	})
	return out
}

func newLogger(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(strings.ToUpper(c.Level))); err != nil {
		level = slog.LevelInfo // config has checked it
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// readable writes durations as "3s", where JSON would have nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// runDaemon runs a daemon until a signal or the end of ctx stops it.
func runDaemon(ctx context.Context, cfg *config.Config, log *slog.Logger, stdout io.Writer) error {
	if ctx == nil {
		ctx = context.Background()
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	// A reader of standard output or of the log that goes away is no reason to end.
	signal.Ignore(syscall.SIGPIPE)

	d, err := newDaemon(cfg, log, stdout)
	if err != nil {
		return err
	}
	if err := d.start(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return d.stop(context.Background())
		case s := <-signals:
			if s == syscall.SIGHUP {
				d.reload()
				continue
			}
			log.Info("stopping", "signal", s.String())
			stopping, abort := context.WithCancel(context.Background())
			go hurry(signals, log, abort)
			defer abort()
			return d.stop(stopping)
		}
	}
}

// sameStop is how long signals are the one that has come already: timeout(1) and some
// supervisors send it to the process as well as to its group.
const sameStop = 250 * time.Millisecond

// hurry calls abort when a stop that has just begun is asked for again.
func hurry(signals <-chan os.Signal, log *slog.Logger, abort func()) {
	begun := time.Now()
	for s := range signals {
		if s != syscall.SIGHUP && time.Since(begun) >= sameStop {
			log.Warn("stopping at once", "signal", s.String())
			abort()
			return
		}
	}
}
