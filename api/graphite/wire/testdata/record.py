"""Records what graphite-web 1.1.8 answers for input.json, and what its cluster readers read from this package's answers.

    go test -run TestReaders -answers /tmp/answers.json
    python3 testdata/record.py /tmp/answers.json > testdata/graphite.json

Under "views" is what its views answer: /render as raw, csv (by time zone) and json, /metrics/find by format. Under
"readers" are the answers from the file, in hexadecimal, with what graphite-web made of each: a value is written as its
type and its text.
"""

import collections
import collections.abc
import io
import json
import os
import sys
import tempfile

import graphite.settings

collections.Hashable = collections.abc.Hashable  # which its MessagePack needs of later Pythons
graphite.settings.LOG_DIR = tempfile.mkdtemp()
graphite.settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
graphite.settings.SECRET_KEY = "of no use"
os.environ["DJANGO_SETTINGS_MODULE"] = "graphite.settings"

import django

django.setup()

import pytz
from django.test import RequestFactory
from graphite.finders.remote import RemoteFinder
from graphite.finders.utils import FindQuery
from graphite.intervals import Interval, IntervalSet
from graphite.metrics import views as metrics
from graphite.node import BranchNode, LeafNode
from graphite.readers.remote import RemoteReader
from graphite.render import views as render
from graphite.render.datalib import TimeSeries
from graphite.util import msgpack, unpickle

here = os.path.dirname(os.path.abspath(__file__))
given = json.load(open(os.path.join(here, "input.json"), encoding="utf-8"))


def time_series():
    """The series as graphite-web holds them: values are floats."""
    for s in given["series"]:
        values = [None if v is None else float(v) for v in s["values"]]
        end = s["start"] + s["step"] * len(values)
        yield TimeSeries(s["name"], s["start"], end, s["step"], values, consolidate=s.get("consolidate", "average"), tags=s.get("tags"),
                         xFilesFactor=s.get("xFilesFactor", 0.0), pathExpression=s["path"])


class Reader:
    def __init__(self, node):
        self.intervals = IntervalSet([Interval(node["first"], node["last"])])

    def get_intervals(self):
        return self.intervals


class Store:
    """Finds the nodes of one case, a branch before the leaf of the same path."""

    def __init__(self, nodes):
        self.nodes = nodes

    def find(self, *args, **kwargs):
        for n in self.nodes:
            if n.get("branch"):
                yield BranchNode(n["path"])
            if n.get("leaf"):
                yield LeafNode(n["path"], Reader(n))


class Profile:
    advancedUI = False


def find(case, format):
    metrics.STORE = Store(case["nodes"])
    metrics.getProfile = lambda request: Profile
    params = {"query": case["query"], "format": format, "wildcards": int(case.get("wildcards", False))}
    answer = metrics.find_view(RequestFactory().get("/metrics/find/", params))
    assert answer.status_code == 200
    return json.loads(answer.content)


class Answer:
    """What urllib3 returns."""

    def __init__(self, content_type, body):
        self.content_type, self.body = content_type, io.BytesIO(body)
        self.url_full, self.status = "", 200

    def read(self, amt=None):
        return self.body.read(amt)

    def getheader(self, name):
        return self.content_type

    def release_conn(self):
        pass


def typed(v):
    if isinstance(v, list):
        return [typed(x) for x in v]
    return "%s %s" % (type(v).__name__, v)


def read(answer):
    body = bytes.fromhex(answer["body"])
    finder = RemoteFinder("host")
    finder.request = lambda *args, **kwargs: Answer(answer["contentType"], body)
    if answer["route"] == "find":
        nodes = finder.find_nodes(FindQuery("*", None, None))
        return [[type(n).__name__, n.path, [[typed(i.start), typed(i.end)] for i in n.intervals] if n.is_leaf else None] for n in nodes]
    whole = (msgpack if answer["contentType"] == "application/x-msgpack" else unpickle).loads(body)
    series = RemoteReader(finder, {}, bulk_query=["*"]).fetch_multi(0, 1)
    assert [s["values"] for s in whole] == [s["values"] for s in series]
    assert [s["pathExpression"] for s in whole] == [s["pathExpression"] for s in series]
    return [{k: typed(v) for k, v in s.items()} for s in whole]


answers = json.load(open(sys.argv[1]))
for a in answers:
    a["read"] = read(a)

series = list(time_series())
json.dump({
    "views": {
        "raw": render.renderViewRaw({}, series).content.decode(),
        "csv": {z: render.renderViewCsv({"tzinfo": pytz.timezone(z)}, series).content.decode() for z in given["zones"]},
        "json": render.renderViewJson({}, series).content.decode(),
        "noNullPoints": render.renderViewJson({"noNullPoints": True}, series).content.decode(),
        "finds": [{f: find(c, f) for f in ["treejson", "completer", "json", "nodelist"]} for c in given["finds"]],
    },
    "readers": answers,
}, sys.stdout, indent=1, ensure_ascii=False)
print()
