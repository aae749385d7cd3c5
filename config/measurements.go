package config

// Measurements bounds what is sent to /v1/measurements and /v1/metrics.
type Measurements struct {
	// Period is that of metrics that are given none, whole seconds. Default one
	// minute. Zero is an error.
	Period Duration `toml:"period" accept:"10s..10m"`
	// MaxAge is how old a measurement may be. Default 2 h. Zero is an error.
	MaxAge Duration `toml:"max_age" accept:"1m..365d"`
	// Batch is how many measurements a request may have. Default 1000. Zero is an
	// error.
	Batch int `toml:"batch" accept:"1..100000"`
	// Body is how long a request may be, once it is unpacked. Default 5 MiB. Zero
	// is an error.
	Body Size `toml:"body" accept:"1KiB..256MiB"`
	// Tags is how many tags a measurement may have. Default 50. Zero is an error.
	Tags int `toml:"tags" accept:"1..50"`
	// TagSets is how many combinations of tags a metric may have in an hour.
	// Default 40000. Zero is an error.
	TagSets int `toml:"tag_sets" accept:"1..16777215"`
	// Metrics is how many metrics there may be. Default 100000. Zero is an error.
	Metrics int `toml:"metrics" accept:"1..1000000"`
	// SSA is about metrics whose values the daemon adds up.
	SSA SSA `toml:"ssa"`
	// Compat is about former ways of the API.
	Compat Compat `toml:"compat"`
}

// SSA says how metrics with the attribute aggregate are added up.
type SSA struct {
	// Grace is how long after its end a period closes; at most the period is used.
	// Default 10 s. Zero closes a period at its end.
	Grace Duration `toml:"grace" accept:"0s..10m"`
	// UserAgents are the clients whose new metrics have the attribute. Default
	// librato-rails, librato-rack, metrics-librato and PapertrailApp.
	UserAgents []string `toml:"user_agents"`
}

// Compat turns on former ways of the API.
type Compat struct {
	// TagMerge adds the tags of a measurement to those of the request. Default
	// false: they take their place.
	TagMerge bool `toml:"tag_merge"`
}

// newMeasurements returns the defaults.
func newMeasurements() Measurements {
	return Measurements{
		Period: Minute, MaxAge: 2 * Hour, Batch: 1000, Body: 5 * MiB, Tags: 50, TagSets: 40_000, Metrics: 100_000,
		SSA: SSA{Grace: 10 * Second, UserAgents: []string{"librato-rails", "librato-rack", "metrics-librato", "PapertrailApp"}},
	}
}

// checkMeasurements checks what ranges cannot say.
func (k *checker) checkMeasurements(c *Config) {
	m := c.Measurements
	k.checkWholeSeconds([]string{"measurements.period"}, m.Period, `"60s"`)
	for i, agent := range m.SSA.UserAgents {
		if !isToken(agent) {
			path := element("measurements.ssa.user_agents", i)
			k.report(Error, []string{path, "measurements.ssa.user_agents"}, agent,
				`no product of a User-Agent; accepted: such as "librato-rails", without blanks, / and ( )`)
		}
	}
}

// isToken reports whether a text can be a product in the header User-Agent.
func isToken(text string) bool {
	for _, r := range text {
		if r <= ' ' || r > '~' || r == '/' || r == '(' || r == ')' {
			return false
		}
	}
	return text != ""
}
