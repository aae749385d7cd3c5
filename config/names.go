package config

// Names says what becomes of a name before the rules see it. The files are
// read again when they change, as the rules are.
type Names struct {
	// RewriteRules is the path of the rewrite rules. Default empty: names are
	// not rewritten.
	RewriteRules string `toml:"rewrite_rules"`
	// RewriteAggregates applies the rules under [post] to the names of
	// aggregates as well. Default false: to forwarded datapoints only, as in
	// carbon. Without effect where there are no RewriteRules.
	RewriteAggregates bool `toml:"rewrite_aggregates"`
	// AllowList is the path of patterns, one a line: a name that none of them
	// matches is dropped. Default empty: no name is; an empty file drops none
	// either.
	AllowList string `toml:"allow_list"`
	// DenyList is the path of patterns, one a line: a name that one of them
	// matches is dropped. It goes before AllowList. Default empty: no name is
	// dropped.
	DenyList string `toml:"deny_list"`
	// ListSyntax is how the patterns of both lists are written: "regex" are
	// regular expressions found anywhere in the name, "glob" are shell patterns
	// of the whole name. Default "regex". Without effect where there is no list.
	ListSyntax string `toml:"list_syntax" accept:"regex|glob"`
	// NormaliseTags puts tagged names into their canonical form, tags sorted.
	// Default false: they stay as received.
	NormaliseTags bool `toml:"normalise_tags"`
	// Poll is how often the files are compared besides the kernel's
	// notifications. Default 10 s; zero relies on notifications alone. Without
	// effect where [Reload.Watch] is false.
	Poll Duration `toml:"poll" accept:"0s|1s..1d"`
}
