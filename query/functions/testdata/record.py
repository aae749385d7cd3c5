#!/usr/bin/env python3
"""Records what graphite-web makes of targets, for the tests of this package.

Run it with graphite-web 1.1.10 (its folder webapp) and its dependencies
(Django 3.2, pyparsing, pytz, six, django-tagging) on the path:

    PYTHONPATH=graphite-web-1.1.10/webapp python3 -W ignore record.py > vectors.json

Metrics repeat their values for ever, so that any range of them can be fetched.
The tests need neither Python nor graphite-web.
"""
import json
import math
import os
import sys
import tempfile
from datetime import datetime

import pytz

logs = tempfile.mkdtemp()
with open(os.path.join(logs, 'record_settings.py'), 'w') as f:
    f.write('from graphite.settings import *\nLOG_DIR = %r\nENFORCE_INPUT_VALIDATION = True\nTIME_ZONE = "UTC"\n' % logs)
os.makedirs(os.path.join(logs, 'storage', 'log', 'webapp'))
os.environ['GRAPHITE_STORAGE_DIR'] = os.path.join(logs, 'storage')
os.environ['DJANGO_SETTINGS_MODULE'] = 'record_settings'
os.environ['TZ'] = 'UTC'
sys.path.insert(0, logs)
stdout, sys.stdout = sys.stdout, sys.stderr  # graphite-web writes to stdout

import django  # noqa: E402

django.setup()

from graphite.functions import SeriesFunctions  # noqa: E402
from graphite.render import datalib, evaluator  # noqa: E402
from graphite.storage import STORE  # noqa: E402
from graphite.util import timebounds  # noqa: E402

N = None
METRICS = {
    'a.x.cpu': (60, [1, 2, N, 4, 5.5, -3, 7]),
    'a.y.cpu': (60, [10, N, N, 40, 50, 60, 70, 80, 90, 100, 110]),
    'a.z.cpu': (60, [0, 1e-7, -0.25, 123456789.125, 0, N, 0, 3]),
    'a.none.cpu': (60, [N]),
    'b.x.mem': (60, [2, 4, N, 8, 0, 6, 14]),
    'b.y.mem': (60, [20, N, 1, 80, 100, 0, 140, 160, 180, 200, 220]),
    'c.wraps': (60, [1, 3, 6, N, 10, 4, 8, 8, 200, 250, 5, N, N, 7]),
    'c.clean': (60, [1, 5, 3, 10, 2, 2, 20]),
    'c.falls': (60, [100, 90, 95, 5, 6, 7, N, 9]),
    'd.server10': (60, [5]),
    'd.server2': (60, [7, 9]),
    'd.server1': (60, [7, 9]),
    'e.small': (60, [0.1, 0.2, 0.3, 0.7, 1, 2, -1, N]),
    'm.fast': (10, [1, 2, 3, 4, N, 6, 7, 8, 9, 10, 11]),
    'm.slow': (60, [100, N, 300, 400]),
    'm.mid': (20, [5, 6, 7, N, N, N, N, 9]),
    'disk;dc=a;host=h1': (60, [1, 2, 3]),
    'disk;dc=a;host=h2': (60, [10, 20, N]),
    'disk;dc=b;host=h3': (60, [100, 200, 300, 400]),
    'net;dc=b;host=h3': (60, [5, 5, 5, N]),
}
PATHS = {
    'a.*.cpu': ['a.none.cpu', 'a.x.cpu', 'a.y.cpu', 'a.z.cpu'],
    'a.{x,y}.cpu': ['a.x.cpu', 'a.y.cpu'],
    'b.*.mem': ['b.x.mem', 'b.y.mem'],
    'c.*': ['c.falls', 'c.wraps'],
    'd.*': ['d.server1', 'd.server10', 'd.server2'],
    'm.*': ['m.fast', 'm.mid', 'm.slow'],
    'seriesByTag("name=disk")': ['disk;dc=a;host=h1', 'disk;dc=a;host=h2', 'disk;dc=b;host=h3'],
    'seriesByTag("dc=~.", "host!=h2")': ['disk;dc=a;host=h1', 'disk;dc=b;host=h3', 'net;dc=b;host=h3'],
    'nothing.*': [],
}
for name in METRICS:
    PATHS.setdefault(name, [name])

FROM = 1700000400  # a multiple of 600
SHORT = (FROM, FROM + 600)
ODD = (FROM + 35, FROM + 1234)
# Where the points of all steps begin together, graphite-web takes series of
# different steps at the same time and not merely in the same order.
TOGETHER = (FROM - 10, FROM + 590)


def fetch(context, path):
    start, end, _ = timebounds(context)
    found = []
    for name in PATHS[path]:
        step, values = METRICS[name]
        first = start - start % step + step
        last = end - end % step + step
        if first == last:
            last += step
        cells = [values[t // step % len(values)] for t in range(first, last, step)]
        points = [None if v is None else float(v) for v in cells]
        series = datalib.TimeSeries(name, first, last, step, points, xFilesFactor=context.get('xFilesFactor'))
        series.tags = STORE.tagdb.parse(name).tags
        series.pathExpression = path
        found.append(series)
    return found


evaluator.fetchData = fetch
evaluator.prefetchData = lambda context, paths: None


def number(v):
    if v is None or isinstance(v, float) and not math.isfinite(v):
        return None if v is None else str(v)
    return v


def describe(v):
    return '1e9999' if v == float('inf') else v


def record(target, span):
    case = {'target': target, 'from': span[0], 'until': span[1]}
    context = {
        'startTime': datetime.fromtimestamp(span[0], pytz.utc),
        'endTime': datetime.fromtimestamp(span[1], pytz.utc),
        'now': datetime.fromtimestamp(span[1], pytz.utc),
        'tzinfo': pytz.utc, 'data': [], 'localOnly': False, 'prefetched': {},
    }
    try:
        case['want'] = [{
            'name': s.name, 'path': s.pathExpression, 'tags': s.tags.data, 'start': s.start, 'end': s.end,
            'step': s.step * s.valuesPerPoint, 'consolidate': s.consolidationFunc, 'xff': s.xFilesFactor,
            'values': [number(v) for v in s],
        } for s in evaluator.evaluateTarget(context, [target])]
    except Exception as e:
        case['error'] = type(e).__name__
    return case


CALCULATED = [
    # paths
    'a.*.cpu', 'a.x.cpu', 'nothing.*', 'seriesByTag("name=disk")',
    # combine
    'sumSeries(a.*.cpu)', 'sum(a.x.cpu,b.x.mem)', 'sum(nothing.*)', 'sumSeries(a.none.cpu)', 'sumSeries(c.wraps)',
    'sum(a.x.cpu, a.x.cpu)', 'sumSeries(scale(a.{x,y}.cpu,2), b.x.mem)', 'sumSeries(seriesByTag("name=disk"))',
    'averageSeries(a.*.cpu)', 'avg(a.*.cpu, b.*.mem)', 'minSeries(a.*.cpu)', 'maxSeries(a.*.cpu)',
    'diffSeries(a.x.cpu,b.*.mem)', 'diffSeries(a.none.cpu,a.y.cpu)', 'stddevSeries(a.*.cpu)', 'rangeOfSeries(a.*.cpu)',
    'multiplySeries(a.*.cpu)', 'multiplySeries(a.{x,y}.cpu,b.x.mem)', 'multiplySeries(a.x.cpu)',
    'countSeries(a.*.cpu)', 'countSeries()', 'countSeries(nothing.*)', 'powSeries(b.*.mem)', 'powSeries(a.{x,y}.cpu)',
    'percentileOfSeries(a.*.cpu,50)', 'percentileOfSeries(a.*.cpu,95.5,true)', 'percentileOfSeries(a.*.cpu,5,true)',
    'percentileOfSeries(a.*.cpu,100)', 'percentileOfSeries(a.*.cpu,0)', 'percentileOfSeries(a.*.cpu,1)',
    'aggregate(a.*.cpu,"sum")', 'aggregate(a.*.cpu,"median")', 'aggregate(a.*.cpu,"avg_zero")', 'aggregate(a.*.cpu,"count")',
    'aggregate(a.*.cpu,"last")', 'aggregate(a.*.cpu,"current")', 'aggregate(a.*.cpu,"total",0.7)', 'aggregate(a.*.cpu,"sumSeries")',
    'aggregate(a.*.cpu,"rangeOf",xFilesFactor=0.5)', 'aggregate(a.*.cpu,"nonsense")', 'aggregate(a.*.cpu,func="max")',
    'aggregateSeriesLists(a.{x,y}.cpu,b.*.mem,"max")', 'sumSeriesLists(a.{x,y}.cpu,b.*.mem)',
    'diffSeriesLists(a.{x,y}.cpu,b.*.mem)', 'multiplySeriesLists(a.{x,y}.cpu,b.*.mem)', 'sumSeriesLists(a.x.cpu,b.*.mem)',
    'aggregateWithWildcards(d.*,"sum",1)', 'sumSeriesWithWildcards(a.*.cpu,1)', 'averageSeriesWithWildcards(a.*.cpu,1,2)',
    'multiplySeriesWithWildcards(b.*.mem,1)', 'sumSeriesWithWildcards(a.*.cpu,0)', 'sumSeriesWithWildcards(a.*.cpu)',
    'divideSeries(a.*.cpu,b.x.mem)', 'divideSeries(a.*.cpu,nothing.*)', 'divideSeries(nothing.*,b.x.mem)',
    'divideSeries(a.*.cpu,b.*.mem)', 'divideSeriesLists(a.{x,y}.cpu,b.*.mem)', 'divideSeriesLists(a.x.cpu,b.*.mem)',
    'asPercent(a.*.cpu)', 'asPercent(a.x.cpu,1500)', 'asPercent(a.*.cpu,12.5)', 'asPercent(a.x.cpu,b.x.mem)',
    'asPercent(a.*.cpu,b.x.mem)', 'asPercent(a.{x,y}.cpu,b.*.mem)', 'asPercent(a.{x,y}.cpu,d.*)', 'asPercent(a.x.cpu,0)',
    'asPercent(nothing.*)', 'pct(scale(a.{x,y}.cpu,2))', 'asPercent(seriesByTag("name=disk"),None,"dc")',
    'asPercent(a.*.cpu,b.*.mem,1)', 'asPercent(a.*.cpu,a.*.cpu,0)', 'asPercent(a.x.cpu,5,0)', 'asPercent(a.*.cpu,None,1,2)',
    'group(a.x.cpu,b.*.mem)', 'group()', 'groupByNode(a.*.cpu,2)', 'groupByNode(a.*.cpu,-1,"sum")',
    'groupByNode(group(a.*.cpu,b.*.mem),1,"sumSeries")', 'groupByNode(group(a.*.cpu,b.*.mem),0,"multiplySeries")',
    'groupByNode(group(a.*.cpu,b.*.mem),0,"countSeries")', 'groupByNode(seriesByTag("name=disk"),"dc","avg")',
    'groupByNode(a.*.cpu,9,"max")', 'groupByNodes(group(a.*.cpu,b.*.mem),"max",0,2)', 'groupByNodes(a.*.cpu,"median",2,"name")',
    'groupByNode(scale(a.*.cpu,2),1,"min")',
    'groupByTags(seriesByTag("name=disk"),"sum","dc")', 'groupByTags(seriesByTag("dc=~.", "host!=h2"),"average","dc")',
    'groupByTags(seriesByTag("dc=~.", "host!=h2"),"max","name")', 'groupByTags(seriesByTag("dc=~.", "host!=h2"),"max","host","name","dc")',
    'weightedAverage(a.{x,y}.cpu,b.*.mem,1)', 'weightedAverage(a.{x,y}.cpu,b.*.mem,0)', 'weightedAverage(a.x.cpu,b.*.mem,1)',
    # transform
    'absolute(a.*.cpu)', 'add(a.x.cpu,2.7)', 'add(a.x.cpu,-1)', 'offset(a.x.cpu,2.7)', 'scale(a.*.cpu,2)', 'scale(a.x.cpu,-0.000001234567)',
    'scale(a.x.cpu,1e9)', 'scale(a.x.cpu,"3")', 'scale(a.x.cpu,"x")', 'scale(a.x.cpu)', 'scale(a.x.cpu,1,2)',
    'scaleToSeconds(a.x.cpu,1)', 'scaleToSeconds(m.fast,60)', 'exp(e.small)', 'pow(a.x.cpu,2)', 'pow(a.x.cpu,-0.5)', 'squareRoot(a.x.cpu)',
    'invert(a.*.cpu)', 'sigmoid(e.small)', 'logit(e.small)', 'minMax(a.*.cpu)', 'minMax(d.server10)', 'log(a.*.cpu)', 'log(a.x.cpu,2)', 'log(a.x.cpu,base=3)',
    'round(a.*.cpu)', 'round(a.*.cpu,1)', 'round(scale(a.x.cpu,0.115),2)', 'round(a.z.cpu,-3)', 'round(a.x.cpu,precision=1)',
    'offsetToZero(a.*.cpu)', 'isNonNull(a.*.cpu)',
    'transformNull(a.*.cpu)', 'transformNull(a.*.cpu,-1)', 'transformNull(a.*.cpu,default=2.5)', 'transformNull(a.*.cpu,0,b.x.mem)',
    'transformNull(a.*.cpu,7,b.*.mem)', 'transformNull(a.*.cpu,referenceSeries=nothing.*)',
    'keepLastValue(a.*.cpu)', 'keepLastValue(a.y.cpu,1)', 'keepLastValue(c.*,inf)', 'keepLastValue(c.*,2)', 'keepLastValue(m.mid,3)',
    'interpolate(a.*.cpu)', 'interpolate(a.y.cpu,1)', 'interpolate(c.*,inf)', 'interpolate(m.mid,3)', 'changed(a.*.cpu)', 'changed(d.*)',
    'derivative(a.*.cpu)', 'derivative(c.*)', 'nonNegativeDerivative(c.*)', 'nonNegativeDerivative(c.falls,255)',
    'nonNegativeDerivative(c.falls,100,5)', 'nonNegativeDerivative(c.falls,minValue=6)', 'nonNegativeDerivative(a.x.cpu)',
    'nonNegativeDerivative(c.clean,255)', 'nonNegativeDerivative(c.clean,10,2)', 'nonNegativeDerivative(c.clean,minValue=2)',
    'perSecond(c.*)', 'perSecond(c.clean,255)', 'perSecond(c.clean,255,3)', 'perSecond(c.falls,255)', 'perSecond(a.z.cpu)',
    'delay(a.*.cpu,1)', 'delay(a.*.cpu,-2)', 'delay(a.x.cpu,100)', 'delay(a.x.cpu,-100)', 'delay(a.x.cpu,1.5)', 'integral(a.*.cpu)',
    'integralByInterval(a.*.cpu,"3min")', 'integralByInterval(c.*,"1h")',
    'summarize(a.*.cpu,"3min")', 'summarize(a.*.cpu,"5min","avg")', 'summarize(a.x.cpu,"1h","sum")', 'summarize(a.x.cpu,"3min","max",true)',
    'summarize(a.x.cpu,"10s","last")', 'summarize(a.x.cpu,"90s","count")', 'summarize(c.*,"4min","diff",true)', 'summarize(c.*,"4min","avg_zero")',
    'summarize(c.*,"4min","multiply")', 'summarize(c.*,"4min","stddev")', 'summarize(c.*,"4min","range")', 'summarize(c.*,"4min","median",alignToFrom=true)',
    'summarize(a.x.cpu,"1month")', 'summarize(a.x.cpu,"1m")', 'summarize(a.x.cpu,"5min","nonsense")', 'summarize(setXFilesFactor(c.*,0.6),"5min")',
    'smartSummarize(a.*.cpu,"3min")', 'smartSummarize(a.*.cpu,"5min","max")', 'smartSummarize(a.x.cpu,"10min","sum","hours")',
    'smartSummarize(a.x.cpu,"1h","avg","days")', 'smartSummarize(a.x.cpu,"1d","count","weeks")', 'smartSummarize(a.x.cpu,"7d","max","months")',
    'smartSummarize(a.x.cpu,"1min","sum","minutes")', 'smartSummarize(a.x.cpu,"2min","sum",true)', 'smartSummarize(a.x.cpu,"2min","sum","fortnights")',
    'hitcount(a.*.cpu,"3min")', 'hitcount(a.x.cpu,"1h")', 'hitcount(a.x.cpu,"90s")', 'hitcount(a.y.cpu,"7min",true)', 'hitcount(a.x.cpu,"45s",true)',
    'timeShift(a.*.cpu,"1h")', 'timeShift(a.x.cpu,"-7min")', 'timeShift(a.x.cpu,"+5min")', 'timeShift(a.*.cpu,"1d",false)',
    'timeShift(nothing.*,"1h")', 'timeShift(timeShift(a.x.cpu,"1min"),"2min")', 'sumSeries(timeShift(a.*.cpu,"1h"))', 'timeShift(a.x.cpu,"1month",true,true)',
    'timeStack(a.x.cpu,"3min",0,3)', 'timeStack(a.{x,y}.cpu,"+1min",-1,2)', 'timeStack(a.x.cpu)',
    # calculate
    'movingAverage(a.*.cpu,3)', 'movingAverage(a.*.cpu,"5min")', 'movingAverage(a.y.cpu,3,0.6)', 'movingSum(c.*,4)', 'movingMin(a.*.cpu,"3min")',
    'movingMax(a.*.cpu,3)', 'movingMedian(a.*.cpu,4)', 'movingMedian(c.*,5)', 'movingWindow(c.*,3)', 'movingWindow(c.*,3,"diff")',
    'movingWindow(c.*,4,"stddev")', 'movingWindow(c.*,4,"rangeOf")', 'movingWindow(c.*,4,"avg_zero")', 'movingWindow(c.*,4,"current")', 'movingWindow(a.*.cpu,3,"multiply")', 'movingWindow(c.*,3,"count",0.5)',
    'movingWindow(c.*,"4min","last")', 'movingWindow(c.*,4,"median",xFilesFactor=1)', 'movingAverage(nothing.*,3)', 'movingAverage(a.x.cpu,"1h")',
    'movingAverage(movingAverage(a.x.cpu,2),3)', 'movingSum(derivative(c.*),3)', 'movingAverage(a.x.cpu,"x")', 'movingAverage(m.fast,"45s")',
    'stdev(a.*.cpu,3)', 'stdev(c.*,5,0.7)', 'nPercentile(a.*.cpu,50)', 'nPercentile(a.*.cpu,95.5)', 'aggregateLine(a.*.cpu)', 'aggregateLine(a.*.cpu,"max")',
    'aggregateLine(a.*.cpu,"count",true)', 'aggregateLine(a.x.cpu,"count")',
    # filter
    'filterSeries(a.*.cpu,"max",">",7)', 'filterSeries(a.*.cpu,"max",">=",7)', 'filterSeries(a.*.cpu,"last","=",3)', 'filterSeries(a.*.cpu,"min","!=",0)',
    'filterSeries(a.*.cpu,"avg","<",10)', 'filterSeries(a.*.cpu,"avg","<=",10)', 'filterSeries(a.*.cpu,"avg","~",10)',
    'averageAbove(a.*.cpu,10)', 'averageBelow(a.*.cpu,10)', 'currentAbove(a.*.cpu,3)', 'currentBelow(a.*.cpu,3)', 'maximumAbove(a.*.cpu,7)',
    'maximumBelow(a.*.cpu,7)', 'minimumAbove(a.*.cpu,-1)', 'minimumBelow(a.*.cpu,-1)',
    'highest(a.*.cpu,2)', 'highest(a.*.cpu,2,"max")', 'highest(a.*.cpu,1,"last")', 'lowest(a.*.cpu,2)', 'lowest(a.*.cpu,3,"max")',
    'highestAverage(a.*.cpu,2)', 'highestCurrent(a.*.cpu,9)', 'highestMax(a.*.cpu,1)', 'highestMax(d.*,3)', 'highestMax(a.*.cpu,-1)', 'highestMax(a.*.cpu,0)',
    'highestMax(a.*.cpu,"2")', 'highestMax(a.*.cpu,1.5)', 'lowestAverage(a.*.cpu,2)', 'lowestCurrent(a.*.cpu,2)', 'limit(a.*.cpu,2)', 'limit(a.*.cpu,-1)', 'limit(a.*.cpu,99)',
    'mostDeviant(a.*.cpu,2)', 'removeEmptySeries(a.*.cpu)', 'removeEmptySeries(a.*.cpu,0.8)',
    'removeAboveValue(a.*.cpu,5)', 'removeBelowValue(a.*.cpu,5)', 'removeAbovePercentile(a.{x,y}.cpu,60)', 'removeBelowPercentile(a.{x,y}.cpu,60)',
    'removeAbovePercentile(a.none.cpu,60)', 'averageOutsidePercentile(d.*,30)', 'averageOutsidePercentile(b.*.mem,80)', 'removeBetweenPercentile(d.*,80)',
    'unique(a.x.cpu,a.*.cpu)', 'grep(a.*.cpu,"[xy]")', 'grep(a.*.cpu,"^x")', 'exclude(a.*.cpu,"[xy]\\.")', 'exclude(a.*.cpu,"(")',
    # sorting
    'sortBy(a.*.cpu)', 'sortBy(a.*.cpu,"max",true)', 'sortBy(d.*,"sum",true)', 'sortByTotal(a.*.cpu)', 'sortByMaxima(a.*.cpu)', 'sortByMinima(a.*.cpu)',
    'sortByName(d.*)', 'sortByName(d.*,true)', 'sortByName(d.*,true,true)', 'sortByName(d.*,reverse=true)', 'sortByName(a.*.cpu,"true")',
    # alias
    'alias(a.*.cpu,"one name")', "alias(a.x.cpu,'say \"x\"')", 'sumSeries(alias(a.*.cpu,"x"))', 'alias(a.x.cpu)',
    'aliasSub(a.*.cpu,"(^.*$)","\\1 A")', 'aliasSub(a.*.cpu,"^a\\.(?P<host>[^.]+)\\.(.*)$","\\g<host>/\\2\\g<0>")', 'aliasSub(a.*.cpu,"[aeiou]","")',
    'aliasSub(a.x.cpu,"","-")', 'aliasSub(sumSeries(a.*.cpu),"Series\\((.*)\\)"," of \\1")', 'aliasSub(a.x.cpu,"(?i)CPU","CPU")', 'aliasSub(a.x.cpu,"x","\\2")',
    'aliasByNode(a.*.cpu,1)', 'aliasByNode(a.*.cpu,-1,0)', 'aliasByNode(a.x.cpu,7)', 'aliasByNode(a.x.cpu,-7)', 'aliasByNode(scale(a.x.cpu,2),1,2)',
    'aliasByNode(summarize(sumSeries(a.*.cpu),"1h"),0)', 'aliasByNode(seriesByTag("name=disk"),"host",0)', 'aliasByNode(a.x.cpu,"name")', 'aliasByNode(a.x.cpu,"1")',
    'aliasByNode(constantLine(5),0)', 'aliasByTags(seriesByTag("name=disk"),"dc","name")', 'aliasByTags(seriesByTag("name=disk"),"nope","host")', 'aliasByNode(a.x.cpu)',
    'aliasByMetric(a.*.cpu)', 'aliasByMetric(scale(a.x.cpu,2))', 'aliasByMetric(sumSeries(a.x.cpu,b.x.mem))', 'substr(a.x.cpu,1)', 'substr(a.x.cpu,0,2)', 'substr(a.x.cpu,-2,-1)',
    'substr(scale(sumSeries(a.x.cpu),2),1,3)', 'substr(a.x.cpu)', 'upper(a.*.cpu)', 'upper(a.x.cpu,0,-1,99)', 'lower(upper(a.x.cpu),2)',
    # special
    'threshold(7)', 'threshold(7,"line")', 'threshold(7.5,"line","red")',
    'consolidateBy(a.*.cpu,"max")', 'consolidateBy(a.x.cpu,"avg")', 'consolidateBy(a.x.cpu,"nonsense")', 'sumSeries(consolidateBy(a.*.cpu,"max"))', 'cumulative(a.x.cpu)',
    'setXFilesFactor(a.*.cpu,0.7)', 'sumSeries(setXFilesFactor(a.*.cpu,0.7))', 'xFilesFactor(a.x.cpu,1)', 'movingAverage(setXFilesFactor(c.*,0.9),3)',
    'fallbackSeries(nothing.*,a.x.cpu)', 'fallbackSeries(a.x.cpu,b.x.mem)', 'seriesByTag("dc=~.", "host!=h2")',
    'alpha(a.x.cpu,0.5)', 'color(a.x.cpu,"red")', 'lineWidth(a.x.cpu,2)', 'dashed(a.x.cpu)', 'dashed(a.x.cpu,3)', 'drawAsInfinite(a.x.cpu)', 'secondYAxis(a.x.cpu)',
    'nonsense(a.x.cpu)', 'scale(a.x.cpu,nope=2)', 'scale(factor=2,seriesList=a.x.cpu)',
    # pipes
    'a.*.cpu|sumSeries()', 'a.*.cpu|scale(2)|sumSeries()|alias("x")', 'a.x.cpu | scale( 2 )', 'sumSeries(a.x.cpu|scale(2), b.x.mem)', 'a.x.cpu|timeShift("1h")',
    'seriesByTag("name=disk")|groupByTags("sum","dc")|aliasByTags("dc")', 'a.x.cpu|movingAverage(3)|aliasByNode(1)',
]
MIXED = [
    'sumSeries(m.*)', 'averageSeries(m.fast,m.slow)', 'maxSeries(consolidateBy(m.*,"max"))', 'divideSeries(m.fast,m.slow)', 'asPercent(m.fast,m.slow)',
    'sumSeries(consolidateBy(m.fast,"sum"),m.slow)', 'sumSeries(consolidateBy(m.fast,"first"),consolidateBy(m.mid,"last"))', 'minSeries(consolidateBy(m.*,"min"))',
    'sumSeries(setXFilesFactor(m.*,0.9))', 'multiplySeries(m.mid,m.slow)', 'sumSeriesLists(m.fast,m.slow)', 'percentileOfSeries(m.*,70)', 'countSeries(m.*)', 'powSeries(m.mid,m.slow)',
]
ODDLY = [
    'summarize(a.*.cpu,"5min")', 'summarize(a.*.cpu,"5min","avg",true)', 'smartSummarize(a.x.cpu,"5min","sum","hours")', 'hitcount(a.x.cpu,"5min")', 'hitcount(a.x.cpu,"5min",true)',
    'timeShift(a.*.cpu,"1h")', 'timeShift(a.*.cpu,"90s")', 'movingAverage(a.*.cpu,5)', 'movingAverage(a.*.cpu,"5min")', 'integralByInterval(a.x.cpu,"5min")', 'sumSeries(a.*.cpu)', 'perSecond(c.*)',
    'summarize(m.*,"1min")', 'scaleToSeconds(m.*,1)', 'delay(m.*,3)', 'keepLastValue(m.*)', 'derivative(m.*)',
]

json.dump({
    'metrics': {name: {'step': step, 'values': values} for name, (step, values) in METRICS.items()},
    'paths': PATHS,
    'functions': {
        name: {'group': f.group, 'params': [dict(p.toJSON(), default=describe(p.default)) for p in f.params]}
        for name, f in sorted(SeriesFunctions().items())
    },
    'cases': [record(t, SHORT) for t in CALCULATED] + [record(t, TOGETHER) for t in MIXED] + [record(t, ODD) for t in ODDLY],
}, stdout, indent=None, separators=(',', ':'))
