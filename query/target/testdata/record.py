#!/usr/bin/env python3
"""Records how graphite-web parses targets, for the tests of this package.

Run it with graphite-web 1.1.10 (its folder webapp) and its dependencies
(Django 3.2, pyparsing, pytz, six) on the path:

    PYTHONPATH=graphite-web-1.1.10/webapp python3 -W ignore record.py > vectors.json

Targets of which graphite-web reads only a part count as refused.
"""
import json
import os
import sys
import tempfile

logs = tempfile.mkdtemp()
with open(os.path.join(logs, 'record_settings.py'), 'w') as f:
    f.write('from graphite.settings import *\nLOG_DIR = %r\nUTF8_METRICS = True\n' % logs)
os.makedirs(os.path.join(logs, 'storage', 'log', 'webapp'))
os.environ['GRAPHITE_STORAGE_DIR'] = os.path.join(logs, 'storage')
os.environ['DJANGO_SETTINGS_MODULE'] = 'record_settings'
sys.path.insert(0, logs)
stdout, sys.stdout = sys.stdout, sys.stderr  # graphite-web writes to stdout

import django  # noqa: E402

django.setup()

from graphite.render.evaluator import evaluateScalarTokens  # noqa: E402
from graphite.render.grammar_unsafe import grammar  # noqa: E402


def tree(tokens):
    if tokens.expression:
        piped = tokens.expression.pipedCalls.asList()
        result = tree(tokens.expression)
        for i in range(len(piped)):
            call = tree_call(tokens.expression.pipedCalls[i].call)
            call['args'].insert(0, result)
            result = call
        return result
    if tokens.pathExpression:
        return {'kind': 'path', 'value': tokens.pathExpression}
    if tokens.call:
        return tree_call(tokens.call)
    for kind in ('number', 'string', 'boolean', 'none', 'infinity'):
        if getattr(tokens, kind):
            value = evaluateScalarTokens(tokens)
            return {'kind': kind, 'value': None if kind == 'infinity' else value}
    raise ValueError('unknown token %r' % tokens)


def tree_call(call):
    return {
        'kind': 'call', 'value': call.funcname, 'args': [tree(a) for a in call.args],
        'named': [[k.argname, tree(k.args[0])] for k in call.kwargs],
    }


TARGETS = [
    'a', 'a.b', 'a.*.c', 'a.{b,c}.d', 'a.{b,c}d{e,f}', 'x{1,2}y.z', 'a.[a-c]?', 'a-b_c.d+e%f=g', 'a.b;dc=x;host=y', 'a.b:max', 'a.b:95pct',
    '1min.cpu', '404.count', '404', '-1', '1e9', 'a$b#c@d~e!f<g>h&i', 'a/b^c`d', 'a.größe.日本', 'a\\,b', 'a\\{b\\}', 'a\\(b\\)', 'a\\=b', 'a\\.b', 'cpu=1', 'true', 'none',
    'f(a)', ' f( a ) ', 'f (a)', 'f()', 'f( )', 'f(a,b)', 'f(a , b)', 'f(a.{b,c},d)', 'f(g(h(a)))', 'f(a,1)', 'f(a,-1)', 'f(a,1.5)', 'f(a,-1.5)', 'f(a,1e9)', 'f(a,1.5e-3)',
    'f(a,-2E5)', 'f(a,007)', 'f(a,1.)', 'f(a,.5)', 'f(a,+1)', 'f(a,1e)', 'f(a,1x)', 'f(1min.cpu)', 'f(404.count,404)', 'f(1e5.x)', 'f(1-2)', 'f(1,2,3)',
    'f(a,true)', 'f(a,FALSE)', 'f(a,True)', 'f(a,None)', 'f(a,none)', 'f(a,inf)', 'f(a,INF)', 'f(a,trueish)', 'f(a,nonesuch.x)', 'f(a,infra.x)',
    'f(a,"x")', "f(a,'x')", 'f(a,"")', "f(a,'')", 'f(a,"x y")', 'f(a,"it\'s")', 'f(a,"say \\"x\\"")', "f(a,'it\\'s')", 'f(a,"\\\\1 A")', 'f(a,"(^.*$)","\\\\1 A")', 'f(a,"a\\\\.b")',
    'f(a,"a""b")', 'f(a,"","")', 'f(a,"(),|{}")', 'f(a,"größe")', 'f("a","b")', "f('a=b', \"c=~d\")",
    'f(a,k=1)', 'f(a,k="v")', 'f(a,k=b.c)', 'f(k=1)', 'f(k=1,l=2)', 'f(a, k = 1 , l= g(b))', 'f(a;k=v)', 'f(a.b;k=v,x=1)', 'f(a,k=1,b)', 'f(a,1k=2)', 'f(a,k==1)',
    'a|f()', 'a | f()', 'a.*|f(1)|g("x")', 'f(a)|g()', 'f(a|g(),b)', 'f(a|g()|h(1))', 'a|b', 'a|', '|f()', 'a||f()', '1|f()', 'f(1|g())', 'seriesByTag("a=b")|f()',
    'f(a', 'f(a,', 'f(a,)', 'f(,a)', 'f(a b)', 'f(a))', 'a b', 'a{b', 'a}b', '{', '}', '{}', 'a.{b}', 'a.{b,}', 'a.{b.c,d}', 'a.{b{c,d},e}', 'a..b', '.a', 'a.', 'f(a,1e+9)', 'f(a,-.5)', 'f(a,.)', 'f(a,-)', 'f(a,1e5.5)', 'a.{b,c', 'f(a.{b,c)', '(a)', '()', '', ' ', '"a"', 'f("a)', "f('a)", 'f(a,"x\\")',
    'f(a)b', 'f(a).b', '_f1(a)', '1f(a)', 'f-g(a)', 'f.g(a)', 'a,b', 'f(a){b}', 'f\t(\na\r\n)', 'a[b,c]', "a'b", 'a"b', 'a\\b', 'a\\', 'seriesByTag("name=x", "dc=~y|z")',
]

cases = []
for text in TARGETS:
    case = {'target': text}
    try:
        case['tree'] = tree(grammar.parseString(text, parseAll=True))
    except Exception as e:
        case['error'] = type(e).__name__
    cases.append(case)
json.dump(cases, stdout, ensure_ascii=False, indent=None, separators=(',', ':'))
