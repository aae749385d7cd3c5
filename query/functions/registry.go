package functions

import "strings"

// function is one of Graphite's functions.
type function struct {
	name   string
	alias  string // another name for it, or ""
	group  string
	doc    string
	params []Param
	// combines is whether it makes one series out of a list given alone, so
	// that groupByNode and its kin can be told to use it.
	combines bool
	// lazy is whether its first argument is not evaluated for it, because it
	// does so itself, over another range.
	lazy bool
	run  func(c *call) ([]*Series, error)
}

// signature writes the function with its parameters as Python does.
func (f *function) signature() string { return f.named(f.name) }

func (f *function) named(name string) string {
	params := make([]string, len(f.params))
	for i, p := range f.params {
		switch {
		case p.Multiple:
			params[i] = "*" + p.Name
		case p.Required:
			params[i] = p.Name
		default:
			params[i] = p.Name + "=" + pythonDefault(p.Default)
		}
	}
	return name + "(" + strings.Join(params, ", ") + ")"
}

// registry is all functions, in no order that matters.
var registry = []function{
	absolute,
	add,
	aggregate,
	aggregateLine,
	aggregateSeriesLists,
	aggregateWithWildcards,
	alias,
	aliasByMetric,
	aliasByNode,
	aliasByTags,
	aliasSub,
	alpha,
	asPercent,
	averageAbove,
	averageBelow,
	averageOutsidePercentile,
	averageSeries,
	averageSeriesWithWildcards,
	changed,
	color,
	consolidateBy,
	constantLine,
	countSeries,
	cumulative,
	currentAbove,
	currentBelow,
	dashed,
	delay,
	derivative,
	diffSeries,
	diffSeriesLists,
	divideSeries,
	divideSeriesLists,
	drawAsInfinite,
	exclude,
	exp,
	fallbackSeries,
	filterSeries,
	grep,
	groupByNode,
	groupByNodes,
	groupByTags,
	groupLists,
	highest,
	highestAverage,
	highestCurrent,
	highestMax,
	hitcount,
	integral,
	integralByInterval,
	interpolate,
	invert,
	isNonNull,
	keepLastValue,
	limit,
	lineWidth,
	log,
	logit,
	lower,
	lowest,
	lowestAverage,
	lowestCurrent,
	maximumAbove,
	maximumBelow,
	maxSeries,
	minimumAbove,
	minimumBelow,
	minMax,
	minSeries,
	mostDeviant,
	movingAverage,
	movingMax,
	movingMedian,
	movingMin,
	movingSum,
	movingWindow,
	multiplySeries,
	multiplySeriesLists,
	multiplySeriesWithWildcards,
	nonNegativeDerivative,
	nPercentile,
	offset,
	offsetToZero,
	percentileOfSeries,
	perSecond,
	pow,
	powSeries,
	rangeOfSeries,
	removeAbovePercentile,
	removeAboveValue,
	removeBelowPercentile,
	removeBelowValue,
	removeBetweenPercentile,
	removeEmptySeries,
	round,
	scale,
	scaleToSeconds,
	secondYAxis,
	seriesByTag,
	setXFilesFactor,
	sigmoid,
	smartSummarize,
	sortBy,
	sortByMaxima,
	sortByMinima,
	sortByName,
	sortByTotal,
	squareRoot,
	stddevSeries,
	stdev,
	substr,
	summarize,
	sumSeries,
	sumSeriesLists,
	sumSeriesWithWildcards,
	threshold,
	timeShift,
	timeSlice,
	timeStack,
	transformNull,
	unique,
	upper,
	weightedAverage,
}

// byName has the functions by each of their names.
var byName = func() map[string]*function {
	m := make(map[string]*function, 2*len(registry))
	for i := range registry {
		f := &registry[i]
		m[f.name] = f
		if f.alias != "" {
			m[f.alias] = f
		}
	}
	return m
}()
