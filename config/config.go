// Package config reads the daemon's settings from TOML into one validated value.
package config

// Config holds every setting of the daemon. Each field says its unit, its
// default and what zero means; [Default] gives the defaults, [Load] a file's
// values over them. The `toml` tag is the key in the file, `flag` the flag of
// `coalesce run` that overrides it, `accept` the values that are accepted:
// alternatives divided by "|", each one value or a range "low..high".
//
// A Config is read-only once it has been handed out.
type Config struct {
	// Rules is the path of the aggregation rules. Default
	// "aggregation-rules.conf"; empty is an error. See [Load] for what a
	// relative path is relative to.
	Rules string `toml:"rules" flag:"rules"`
	// Prefix begins the name of every output: it is added where it is missing.
	// Default "aggregates."; empty leaves names as the rules write them.
	Prefix string `toml:"prefix" flag:"prefix"`
	// Data is the directory of all that outlives the daemon: the checkpoint, the
	// store of SQLite with its journal, spools, what is made over HTTP. Default
	// "coalesce-data"; empty means that nothing is written to disk, so that a stop
	// emits the open buckets instead of saving them.
	Data string `toml:"data" flag:"data"`
	// Listen is the address of the plaintext listeners, TCP as well as UDP.
	// Default ":2023"; port 0 takes a free port; empty means neither.
	Listen string `toml:"listen" flag:"listen"`
	// ListenPickle is the address of the pickle listener, TCP. Default ":2024";
	// port 0 takes a free port; empty means none.
	ListenPickle string `toml:"listen_pickle" flag:"listen-pickle"`
	// Upstream lists destinations by their addresses alone, each "host:port" or
	// a URL; everything else about them is the default of [Destination].
	// Default none. [Config.AllDestinations] joins them with Destinations;
	// without either, aggregates are made but sent nowhere. At most 256 in all.
	Upstream []string `toml:"upstream" flag:"upstream"`
	// ForwardAll passes accepted datapoints on as they are. Default nil:
	// [Config.ForwardsAll] is true when there is a destination.
	ForwardAll *bool `toml:"forward_all" flag:"forward-all"`

	// Limits bounds what one listener takes from outside.
	Limits Limits `toml:"limits"`
	// Listeners are listeners beside Listen and ListenPickle, written
	// [[listener]]. Default none, at most 256. [Config.AllListeners] joins them
	// all.
	Listeners []Listener `toml:"listener"`
	// Names says what becomes of a name before the rules see it.
	Names Names `toml:"names"`
	// Aggregation says how long buckets live and how many there may be.
	Aggregation Aggregation `toml:"aggregation"`
	// Queue bounds what waits for each destination.
	Queue Queue `toml:"queue"`
	// Destinations are destinations beside Upstream, written [[destination]].
	// Default none. [Config.AllDestinations] joins them with Upstream.
	Destinations []Destination `toml:"destination"`
	// Routes say which destinations a row goes to, written [[route]], in
	// order. Default none, so that every destination gets every row. At most
	// 256.
	Routes []Route `toml:"route"`
	// Spool bounds what waits on disk.
	Spool Spool `toml:"spool"`
	// Place is the place of this instance behind a relay that hashes by
	// output.
	Place Place `toml:"place"`
	// Store says where closed cells are kept.
	Store Store `toml:"store"`
	// Windows are windows beside the built-in ones, written [[window]]. Default
	// none, at most 256. [Config.AllWindows] joins them.
	Windows []Window `toml:"window"`
	// Keeps say which series are kept as they are received, written [[keep]].
	// Default none, at most 256.
	Keeps []Keep `toml:"keep"`
	// APIRules says how the rules that are made over HTTP act.
	APIRules APIRules `toml:"api_rules"`
	// Views says how the views are kept and sent.
	Views Views `toml:"views"`
	// Measures are measures of views, written [[measure]]. Default none, at most
	// 256.
	Measures []Measure `toml:"measure"`
	// ViewList are views, written [[view]]. Default none, at most 256.
	ViewList []View `toml:"view"`
	// Measurements bounds what is sent to /v1/measurements and /v1/metrics.
	Measurements Measurements `toml:"measurements"`
	// Query bounds one query.
	Query Query `toml:"query"`
	// Node is the query node.
	Node Node `toml:"node"`
	// Keys are what clients of HTTP must present, written [[key]]. Default none,
	// at most 256. [Config.AllKeys] returns them parsed.
	Keys []Key `toml:"key"`
	// HTTP is the server of metrics, health and queries.
	HTTP HTTP `toml:"http"`
	// Log shapes the daemon's own log.
	Log Log `toml:"log"`
	// Metrics shapes the daemon's own series.
	Metrics Metrics `toml:"metrics"`
	// Reload says when changed rules are noticed.
	Reload Reload `toml:"reload"`

	origin *checker // knows the places of the keys; nil for a config made in code
}

// Aggregation says how long buckets live and how many there may be.
type Aggregation struct {
	// Grace is how long after its end a bucket closes, for rules that set no
	// grace of their own; a rule's half period caps it. Default 5 s; zero
	// closes a bucket at its end.
	Grace Duration `toml:"grace" accept:"0s..1d"`
	// AmendDelay is the least time between two emissions of one bucket that
	// late datapoints amend. Default zero: the grace of the bucket's output.
	AmendDelay Duration `toml:"amend_delay" accept:"0s..1d"`
	// Keep is for how many periods a closed bucket stays amendable. Default 5.
	// Zero is an error.
	Keep int `toml:"keep" accept:"1..10000"`
	// Future is how far ahead of the clock a datapoint may be. Default 10 min.
	// Zero is an error.
	Future Duration `toml:"future" accept:"1s..3650d"`
	// WriteBack is how often open buckets are emitted early. Default zero:
	// never.
	WriteBack Duration `toml:"write_back" accept:"0s|1s..1d"`
	// MaxSeries is how many names are remembered; the names idle longest leave
	// first, which changes no value. Default 4000000. Zero is an error.
	MaxSeries int `toml:"max_series" accept:"1..134217728"`
	// MaxOutputs is how many outputs there may be; datapoints of a further one
	// are dropped. Default 1000000. Zero is an error.
	MaxOutputs int `toml:"max_outputs" accept:"1..16777215"`
	// MaxBuckets is how many open or amendable buckets are held over all
	// outputs. Default 10000000. Zero is an error.
	MaxBuckets int `toml:"max_buckets" accept:"1..1000000000"`
	// OutputIdle is how long an output stays after its last bucket has gone.
	// Default 1 h. Zero is an error.
	OutputIdle Duration `toml:"output_idle" accept:"1s..365d"`
	// Lanes is how many datapoint streams are aggregated side by side. Default
	// zero: one for each CPU.
	Lanes int `toml:"lanes" accept:"0..256"`
}

// Queue bounds what waits for each destination.
type Queue struct {
	// Datapoints is how many rows wait for one destination; beyond it
	// [Destination.WhenFull] tells. Default 4000000. Zero is an error.
	Datapoints int `toml:"datapoints" accept:"1..1000000000"`
	// Bytes is how many bytes of rows wait for one destination, likewise. Default
	// 256 MiB; at least the longest accepted line. Zero is an error.
	Bytes Size `toml:"bytes" accept:"64KiB..1TiB"`
	// ConnectTimeout bounds one attempt to connect. Default 5 s. Zero is an
	// error.
	ConnectTimeout Duration `toml:"connect_timeout" accept:"10ms..1h"`
	// WriteTimeout is how long a connection may take no byte before it is made
	// anew. Default 10 s. Zero is an error.
	WriteTimeout Duration `toml:"write_timeout" accept:"10ms..1h"`
	// ReconnectMin is the wait after the first failed attempt to connect; it
	// grows with each further one. Default 100 ms; at most ReconnectMax. Zero
	// is an error.
	ReconnectMin Duration `toml:"reconnect_min" accept:"1ms..1h"`
	// ReconnectMax is the longest wait between attempts to connect. Default
	// 5 s. Zero is an error.
	ReconnectMax Duration `toml:"reconnect_max" accept:"1ms..1d"`
	// DrainTimeout bounds how long an orderly stop waits for the queues to
	// empty. Default 10 s. Zero is an error.
	DrainTimeout Duration `toml:"drain_timeout" accept:"10ms..1h"`
}

// Log shapes the daemon's own log.
type Log struct {
	// Level is the least severity that is logged. Default "info".
	Level string `toml:"level" flag:"log-level" accept:"debug|info|warn|error"`
	// Format is the form of a log line. Default "text".
	Format string `toml:"format" flag:"log-format" accept:"text|json"`
	// RefusedLines is how many refused lines are logged with their sender in
	// each RefusedInterval; the others are only counted. Default 5; zero logs
	// none.
	RefusedLines int `toml:"refused_lines" accept:"0..1000000"`
	// RefusedInterval is the span that RefusedLines is counted in. Default
	// 10 s. Zero is an error.
	RefusedInterval Duration `toml:"refused_interval" accept:"100ms..1d"`
}

// Metrics shapes the daemon's own series, which are named
// PREFIX.aggregator.HOST-INSTANCE.NAME.
type Metrics struct {
	// Prefix is the first node, or nodes, of the series. Default "carbon";
	// empty is an error.
	Prefix string `toml:"prefix"`
	// Instance tells daemons on one host apart. Default "a"; empty is an error.
	Instance string `toml:"instance"`
	// Interval is the time between two datapoints of the series. Default 60 s;
	// zero sends none.
	Interval Duration `toml:"interval" accept:"0s|1s..1d"`
}

// Reload says when changed rules are noticed.
type Reload struct {
	// Watch reloads the rules when their file changes. Default true; false
	// leaves SIGHUP as the only way, Debounce and Poll then have no effect.
	Watch bool `toml:"watch"`
	// Debounce is how long a changed file must rest before it is read. Default
	// 500 ms; zero reads it at once.
	Debounce Duration `toml:"debounce" accept:"0s..1h"`
	// Poll is how often the file is compared besides the kernel's
	// notifications, which some file systems do not give. Default 10 s; zero
	// relies on notifications alone.
	Poll Duration `toml:"poll" accept:"0s|1s..1d"`
}

// Default returns the settings of a daemon without a config file. They are
// valid.
func Default() Config {
	return Config{
		Rules:  "aggregation-rules.conf",
		Prefix: "aggregates.",
		Data:   "coalesce-data",
		Listen: ":2023", ListenPickle: ":2024",
		Limits: Limits{
			MaxConnections: 10_000,
			MaxLine:        16 * KiB,
			MaxFrame:       MiB,
			ReadBuffer:     256 * KiB,
			UDPBuffer:      4 * MiB,
		},
		Names: Names{ListSyntax: "regex", Poll: 10 * Second},
		Aggregation: Aggregation{
			Grace:      5 * Second,
			Keep:       5,
			Future:     10 * Minute,
			MaxSeries:  4_000_000,
			MaxOutputs: 1_000_000,
			MaxBuckets: 10_000_000,
			OutputIdle: Hour,
		},
		Queue: Queue{
			Datapoints:     4_000_000,
			Bytes:          256 * MiB,
			ConnectTimeout: 5 * Second,
			WriteTimeout:   10 * Second,
			ReconnectMin:   100 * Millisecond,
			ReconnectMax:   5 * Second,
			DrainTimeout:   10 * Second,
		},
		Spool: Spool{Bytes: GiB, Age: Day, Rate: 50_000},
		Place: Place{Hash: "carbon_ch", Replication: 1, Diverse: true},
		Store: Store{
			At: "sqlite", Retention: Day, Bytes: 16 * GiB, Cycle: 10 * Second, Pending: 256 * MiB, Journal: GiB, Sync: true, Names: 2_000_000,
		},
		APIRules:     APIRules{Period: 30 * Second, MaxPerKey: 200, MaxOutputs: 5000},
		Views:        Views{Prefix: "aggregates.views", ReportPeriod: 10 * Second, Mode: "cumulative", Tags: true, Rows: 10_000, Max: 1000},
		Measurements: newMeasurements(),
		Query:        Query{Targets: 1000, Series: 20_000, Points: 10_000_000, Names: 100_000, Timeout: 10 * Second},
		HTTP:         HTTP{Listen: "127.0.0.1:2080", MaxConnections: 1024, RequestTimeout: Minute},
		Log:          Log{Level: "info", Format: "text", RefusedLines: 5, RefusedInterval: 10 * Second},
		Metrics:      Metrics{Prefix: "carbon", Instance: "a", Interval: 60 * Second},
		Reload:       Reload{Watch: true, Debounce: 500 * Millisecond, Poll: 10 * Second},
	}
}

// ForwardsAll reports whether accepted datapoints are passed on as they are:
// ForwardAll where it is set, otherwise true when there is a destination.
func (c *Config) ForwardsAll() bool {
	if c.ForwardAll != nil {
		return *c.ForwardAll
	}
	return len(c.Upstream)+len(c.Destinations) > 0
}

// Read reports whether Load or Parse could read the settings, right or wrong.
// Otherwise all of them have their defaults.
func (c *Config) Read() bool { return c.origin != nil }

// Problem returns an error of a key such as "upstream[0]", "rules" or
// "route[1].pattern", with its place in the file or its flag, for what only the
// user of a setting can check. The message says what is wrong with the value
// and what is accepted.
func (c *Config) Problem(key, message string) Problem {
	k := &checker{}
	if c.origin != nil {
		k.src, k.flags = c.origin.src, c.origin.flags
	}
	k.errorf(key, nil, "%s", message)
	return k.problems[0]
}
