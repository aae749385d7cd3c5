package carbonconf

// kind is how carbon reads a value. It takes a number wherever the text is one.
type kind uint8

const (
	plain kind = iota // a number or a text
	truth             // a truth value, anything else is an error
	list              // texts between commas
)

// carbonKey is a setting that carbon knows.
type carbonKey struct {
	kind kind
	// initial is carbon's default, as a file would write it.
	initial string
	// none is, for a setting without an equal, why it has none and what to do.
	none string
	// changes is true where a setting without an equal, if it is on or given,
	// makes the daemon behave otherwise, so that it is worth a warning.
	changes bool
}

const (
	ofCache   = "carbon-aggregator does not use it; it is for carbon-cache."
	ofRelay   = "carbon-aggregator does not use it; it is for carbon-relay."
	ofAMQP    = "Belongs to ENABLE_AMQP."
	ofManhole = "Belongs to ENABLE_MANHOLE."
	ofReset   = "Belongs to USE_RATIO_RESET."
	ofPaths   = "coalesce writes nothing there."
	ofLog     = "coalesce logs to standard error, which systemd keeps; see [log]."
	ofProbes  = "coalesce leaves keep-alive probes to the Go runtime: on, every 15 seconds."
)

// keys are the settings that carbon knows: those that are translated, then
// those that have no equal.
var keys = map[string]carbonKey{
	"LINE_RECEIVER_INTERFACE":     {initial: "0.0.0.0"},
	"LINE_RECEIVER_PORT":          {initial: "2003"},
	"ENABLE_UDP_LISTENER":         {kind: truth, initial: "False"},
	"UDP_RECEIVER_INTERFACE":      {initial: "0.0.0.0"},
	"UDP_RECEIVER_PORT":           {initial: "2003"},
	"PICKLE_RECEIVER_INTERFACE":   {initial: "0.0.0.0"},
	"PICKLE_RECEIVER_PORT":        {initial: "2004"},
	"PICKLE_RECEIVER_MAX_LENGTH":  {initial: "1048576"},
	"PROTOBUF_RECEIVER_INTERFACE": {},
	"PROTOBUF_RECEIVER_PORT":      {initial: "0"},
	"MAX_RECEIVER_CONNECTIONS":    {initial: "inf"},
	"METRIC_CLIENT_IDLE_TIMEOUT":  {initial: "None"},
	"MIN_TIMESTAMP_RESOLUTION":    {initial: "0"},
	"FORWARD_ALL":                 {kind: truth, initial: "True"},
	"CONF_DIR":                    {},
	"AGGREGATION_RULES":           {initial: "aggregation-rules.conf"},
	"REWRITE_RULES":               {initial: "rewrite-rules.conf"},
	"USE_WHITELIST":               {kind: truth, initial: "False"},
	"TAG_RELAY_NORMALIZED":        {kind: truth, initial: "False"},
	"MAX_AGGREGATION_INTERVALS":   {initial: "5"},
	"WRITE_BACK_FREQUENCY":        {initial: "None"},
	"CACHE_METRIC_NAMES_MAX":      {initial: "0"},
	"DESTINATIONS":                {kind: list},
	"DESTINATION_PROTOCOL":        {initial: "pickle"},
	"DESTINATION_TRANSPORT":       {initial: "none"},
	"DESTINATION_SSL_CA":          {initial: "None"},
	"MAX_QUEUE_SIZE":              {initial: "10000"},
	"USE_FLOW_CONTROL":            {kind: truth, initial: "True"},
	"MAX_DATAPOINTS_PER_MESSAGE":  {initial: "500"},
	"ROUTER_HASH_TYPE":            {initial: "None"},
	"REPLICATION_FACTOR":          {initial: "1"},
	"DIVERSE_REPLICAS":            {kind: truth, initial: "True"},
	"CARBON_METRIC_PREFIX":        {initial: "carbon"},
	"CARBON_METRIC_INTERVAL":      {initial: "60"},

	"RELAY_METHOD":            {none: "carbon-aggregator does not read it: it always hashes, as [[route]] above does."},
	"QUEUE_LOW_WATERMARK_PCT": {none: "Inputs that wait go on as soon as the queue has room."},
	"MAX_QUEUE_SIZE_HARD_PCT": {none: "The queue has one bound, MAX_QUEUE_SIZE; what comes beyond it has room of its own."},
	"TIME_TO_DEFER_SENDING":   {none: "What comes together is sent together, with nothing to set."},
	"DYNAMIC_ROUTER": {kind: truth, changes: true, none: "The names of a destination that is down wait for it instead of going to another. " +
		`To keep more of them, set when_full = "spool"; to send them elsewhere, use a [[route]] with mode = "failover".`},
	"DYNAMIC_ROUTER_MAX_RETRIES": {none: "Belongs to DYNAMIC_ROUTER."},
	"DESTINATION_POOL_REPLICAS": {kind: truth, changes: true, none: "Destinations with one host and port are hashed apart instead of sharing what comes. " +
		`To share, use a [[route]] with mode = "round-robin" to them.`},
	"USE_RATIO_RESET":     {kind: truth, changes: true, none: "A connection that takes nothing for queue.write_timeout is made anew instead."},
	"MIN_RESET_STAT_FLOW": {none: ofReset}, "MIN_RESET_RATIO": {none: ofReset}, "MIN_RESET_INTERVAL": {none: ofReset},
	"TCP_KEEPALIVE": {kind: truth, none: ofProbes},
	"TCP_KEEPIDLE":  {none: ofProbes}, "TCP_KEEPINTVL": {none: ofProbes}, "TCP_KEEPCNT": {none: ofProbes},
	"CACHE_METRIC_NAMES_TTL": {none: "Names leave when there are more than aggregation.max_series, those idle longest first."},
	"USE_INSECURE_UNPICKLER": {kind: truth, changes: true, none: "Pickles never run code here. Those of names and numbers are read whatever the setting."},
	"ENABLE_AMQP": {kind: truth, changes: true, none: "coalesce does not consume from AMQP. Let a consumer write its messages " +
		"as lines to the plaintext listener."},
	"AMQP_VERBOSE": {kind: truth, none: ofAMQP}, "AMQP_METRIC_NAME_IN_BODY": {kind: truth, none: ofAMQP},
	"AMQP_HOST": {none: ofAMQP}, "AMQP_PORT": {none: ofAMQP}, "AMQP_USER": {none: ofAMQP}, "AMQP_PASSWORD": {none: ofAMQP},
	"AMQP_VHOST": {none: ofAMQP}, "AMQP_EXCHANGE": {none: ofAMQP}, "AMQP_SPEC": {none: ofAMQP},
	"BIND_PATTERNS": {kind: list, none: ofAMQP},
	"ENABLE_MANHOLE": {kind: truth, changes: true, none: "coalesce has no shell inside. It shows what it does on http.listen: " +
		"/metrics, /debug/pprof/, and what it aggregates under /render."},
	"MANHOLE_INTERFACE": {none: ofManhole}, "MANHOLE_PORT": {none: ofManhole}, "MANHOLE_USER": {none: ofManhole},
	"MANHOLE_PUBLIC_KEY": {none: ofManhole}, "MANHOLE_HOST_KEY_DIR": {none: ofManhole},
	"USER":                      {changes: true, none: "coalesce does not change its user. Start it as this one: User= in its systemd unit."},
	"LOG_LISTENER_CONN_SUCCESS": {kind: truth, none: "Connections are counted, not logged: coalesce_connections_opened_total."},
	"LOG_LISTENER_CONN_LOST":    {kind: truth, none: "Connections are counted, not logged: coalesce_connections."},
	"LOG_AGGREGATOR_MISSES": {kind: truth, none: "Datapoints that no rule matches are counted, not logged: coalesce_datapoints_unmatched_total. " +
		`"coalesce match" shows why.`},
	"ENABLE_LOGROTATION": {kind: truth, none: ofLog},
	"LOG_DIR":            {none: ofLog}, "PID_DIR": {none: ofPaths}, "STORAGE_DIR": {none: ofPaths},
	"LOCAL_DATA_DIR": {none: ofPaths}, "WHITELISTS_DIR": {none: "carbon does not use it, either."},
	"RAVEN_DSN":   {none: "Errors are logged, and nothing is reported to Sentry."},
	"RELAY_RULES": {none: ofRelay}, "RELAY_CACHE_METRICS": {kind: truth, none: ofCache},

	"DATABASE": {none: ofCache}, "MAX_CACHE_SIZE": {none: ofCache}, "MAX_UPDATES_PER_SECOND": {none: ofCache},
	"MAX_UPDATES_PER_SECOND_ON_SHUTDOWN": {none: ofCache}, "MAX_CREATES_PER_MINUTE": {none: ofCache},
	"MIN_TIMESTAMP_LAG": {none: ofCache}, "CACHE_QUERY_INTERFACE": {none: ofCache}, "CACHE_QUERY_PORT": {none: ofCache},
	"CACHE_WRITE_STRATEGY": {none: ofCache}, "LOG_UPDATES": {kind: truth, none: ofCache}, "LOG_CREATES": {kind: truth, none: ofCache},
	"LOG_CACHE_HITS": {kind: truth, none: ofCache}, "LOG_CACHE_QUEUE_SORTS": {kind: truth, none: ofCache},
	"WHISPER_AUTOFLUSH": {kind: truth, none: ofCache}, "WHISPER_SPARSE_CREATE": {kind: truth, none: ofCache},
	"WHISPER_FALLOCATE_CREATE": {kind: truth, none: ofCache}, "WHISPER_LOCK_WRITES": {kind: truth, none: ofCache},
	"WHISPER_FADVISE_RANDOM": {kind: truth, none: ofCache}, "CERES_MAX_SLICE_GAP": {none: ofCache},
	"CERES_NODE_CACHING_BEHAVIOR": {none: ofCache}, "CERES_SLICE_CACHING_BEHAVIOR": {none: ofCache},
	"CERES_LOCK_WRITES": {kind: truth, none: ofCache}, "GRAPHITE_URL": {none: ofCache},
	"ENABLE_TAGS": {kind: truth, none: ofCache}, "SKIP_TAGS_FOR_NONTAGGED": {kind: truth, none: ofCache},
	"TAG_UPDATE_INTERVAL": {none: ofCache}, "TAG_BATCH_SIZE": {none: ofCache}, "TAG_QUEUE_SIZE": {none: ofCache},
	"TAG_HASH_FILENAMES": {kind: truth, none: ofCache},
}
