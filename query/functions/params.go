package functions

// Param describes a parameter of a function. In JSON it has the shape that
// Graphite's clients know.
type Param struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Required    bool     `json:"required,omitempty"`
	Default     any      `json:"default,omitempty"` // nil, bool, int, string or json.Number
	Multiple    bool     `json:"multiple,omitempty"`
	Options     []string `json:"options,omitempty"`
	Suggestions []any    `json:"suggestions,omitempty"`
}

// The types of parameters, as Graphite names them.
const (
	typeAny           = "any"             // a number or series
	typeSeriesList    = "seriesList"      // a path or a call
	typeFloat         = "float"           // a finite number, maybe in quotes
	typeInteger       = "integer"         // a number without a fraction, maybe in quotes
	typeIntOrInf      = "intOrInf"        // an integer, or inf
	typeIntOrInterval = "intOrInterval"   // points, or a time in quotes
	typeInterval      = "interval"        // a time in quotes, such as 1h
	typeDate          = "date"            // a time as ParseTime reads it
	typeBoolean       = "boolean"         // true, false, 1, 0, maybe in quotes
	typeNode          = "node"            // an integer
	typeNodeOrTag     = "nodeOrTag"       // an integer, or the name of a tag in quotes
	typeTag           = "tag"             // the name of a tag in quotes
	typeString        = "string"          // text in quotes
	typeAggFunc       = "aggFunc"         // one of aggFuncs
	typeAggOrSeries   = "aggOrSeriesFunc" // one of aggFuncs, or a function that combines series
)

// list is the parameter that nearly every function begins with.
var list = Param{Name: "seriesList", Type: typeSeriesList, Required: true}

// lists is the parameter of functions that take any number of lists.
var lists = Param{Name: "seriesLists", Type: typeSeriesList, Required: true, Multiple: true}

func required(name, typ string) Param { return Param{Name: name, Type: typ, Required: true} }

func optional(name, typ string) Param { return Param{Name: name, Type: typ} }

func (p Param) absent(def any) Param {
	p.Default = def
	return p
}

func (p Param) many() Param {
	p.Multiple = true
	return p
}

func (p Param) oneOf(options ...string) Param {
	p.Options = options
	return p
}

func (p Param) suggest(suggestions ...any) Param {
	p.Suggestions = suggestions
	return p
}
