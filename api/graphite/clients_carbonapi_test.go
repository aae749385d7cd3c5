package graphite

import (
	"math"
	"testing"
)

// carbonapiSeries is what carbonapi makes of a series, whatever it asked for.
type carbonapiSeries struct {
	Name, Path        string
	Start, Stop, Step int64
	Values            []float64
}

type carbonapiMatch struct {
	Path string
	Leaf bool
}

func matches(globs []fields) (all []carbonapiMatch) {
	for _, m := range globs {
		all = append(all, carbonapiMatch{m.text(1), m.int(2) == 1})
	}
	return all
}

func TestCarbonapiV2(t *testing.T) {
	c := newClient(t)
	const kind = "application/x-protobuf"
	var series []carbonapiSeries
	for i, m := range readFields(c.ask("GET /render/?format=protobuf"+carbonapiTargets, carbonapiV2, "", kind)).messages(1) {
		s := carbonapiSeries{m.text(1), carbonapiWant[i].Path, m.int(2), m.int(3), m.int(4), m.floats(5)}
		for j, absent := range []byte(m.text(6)) {
			if absent != 0 {
				s.Values[j] = math.NaN()
			}
		}
		series = append(series, s)
	}
	c.equal(series, carbonapiWant)

	glob := readFields(c.ask("GET /metrics/find/?format=protobuf&query=servers.web1", carbonapiV2, "", kind))
	c.equal(glob.text(1), "servers.web1")
	c.equal(matches(glob.messages(2)), carbonapiMatches)
	glob = readFields(c.ask("GET /metrics/find/?format=protobuf&query=none", carbonapiV2, "", kind))
	c.equal(matches(glob.messages(2)), []carbonapiMatch(nil))

	info := readFields(c.ask("GET /info/?format=protobuf&target=all.count", carbonapiV2, "", kind))
	c.equal([]string{info.text(1), info.text(2)}, []string{"all.count", "sum"})
	c.equal(info.int(3), int64(604800))
	var retentions [][2]int64
	for _, r := range info.messages(5) {
		retentions = append(retentions, [2]int64{r.int(1), r.int(2)})
	}
	c.equal(retentions, [][2]int64{{60, 1440}, {3600, 168}})
	c.equal(c.ask("GET /info/?format=protobuf&target=none", carbonapiV2, "", kind), []byte{})
}

func TestCarbonapiMsgPack(t *testing.T) {
	c := newClient(t)
	const kind = "application/x-msgpack"
	head := carbonapiV2 // which it asks for here, too
	var series []carbonapiSeries
	for i, m := range readMsgPack(c.ask("GET /render/?format=msgpack"+carbonapiTargets, head, "", kind)).(array) {
		o := m.(object)
		s := carbonapiSeries{o["name"].(string), carbonapiWant[i].Path, int64(o["start"].(uint64)), int64(o["end"].(uint64)), int64(o["step"].(uint64)), nil}
		for _, v := range o["values"].(array) {
			if f, ok := v.(float64); ok {
				s.Values = append(s.Values, f)
			} else {
				s.Values = append(s.Values, math.NaN()) // as is an integer
			}
		}
		series = append(series, s)
	}
	c.equal(series, carbonapiWant)
	var found []carbonapiMatch
	for _, m := range readMsgPack(c.ask("GET /metrics/find/?format=msgpack&query=servers.web1", head, "", kind)).(array) {
		found = append(found, carbonapiMatch{m.(object)["path"].(string), m.(object)["isLeaf"].(bool)})
	}
	c.equal(found, carbonapiMatches)
}

func TestCarbonapiV3(t *testing.T) {
	c := newClient(t)
	const kind = "application/x-carbonapi-v3-pb"
	// all.count with maxDataPoints=1, and a minute earlier; seriesByTag; none.*.
	const fetch = "\n$\n\tall.count\x10\xaf\xe1\xcf\xaa\x06\x18\xa8\xe2\xcf\xaa\x06*\tall.count8\x01" +
		"\n\"\n\tall.count\x10\xf3\xe0\xcf\xaa\x06\x18\xec\xe1\xcf\xaa\x06*\tall.count" +
		"\nV\n#seriesByTag('dc=x','name=all.load')\x10\xaf\xe1\xcf\xaa\x06\x18\xa8\xe2\xcf\xaa\x06*#seriesByTag('dc=x','name=all.load')" +
		"\n\x1c\n\x06none.*\x10\xaf\xe1\xcf\xaa\x06\x18\xa8\xe2\xcf\xaa\x06*\x06none.*"
	var series []carbonapiSeries
	var asked [][2]int64
	for _, m := range readFields(c.ask("GET /render/?format=carbonapi_v3_pb", carbonapiV3, fetch, kind)).messages(1) {
		series = append(series, carbonapiSeries{m.text(1), m.text(2), m.int(4), m.int(5), m.int(6), m.floats(9)})
		asked = append(asked, [2]int64{m.int(11), m.int(12)})
	}
	c.equal(series, []carbonapiSeries{carbonapiWant[0], carbonapiWant[1], {"all.count", "all.count", 1699999860, 1700000040, 60, []float64{math.NaN(), 3.5, math.NaN()}}})
	c.equal(asked, [][2]int64{{1699999919, 1700000040}, {1699999919, 1700000040}, {1699999859, 1699999980}})

	globs := readFields(c.ask("GET /metrics/find/?format=carbonapi_v3_pb", carbonapiV3, "\n\x0cservers.web1\n\x04none", kind)).messages(1)
	if len(globs) != 2 || globs[0].text(1) != "servers.web1" || globs[1].text(1) != "none" {
		t.Fatalf("%v", globs)
	}
	c.equal(matches(globs[0].messages(2)), carbonapiMatches)
	c.equal(matches(globs[1].messages(2)), []carbonapiMatch(nil))

	// To learn what begins a name, at times.
	globs = readFields(c.ask("GET /metrics/find/?format=carbonapi_v3_pb", carbonapiV3, "\n\x01*", kind)).messages(1)
	c.equal(matches(globs[0].messages(2)), []carbonapiMatch{{"all", false}, {"servers", false}})

	globs = readFields(c.ask("GET /metrics/expand/?format=carbonapi_v3_pb&leavesOnly=1", carbonapiV3, "\n\x0cservers.web1", kind)).messages(1)
	c.equal(matches(globs[0].messages(2)), carbonapiMatches[1:])

	infos := readFields(c.ask("GET /info/?format=carbonapi_v3_pb", carbonapiV3, "\n\tall.count\n\x04none\n\x08all.time", kind)).messages(1)
	if len(infos) != 2 || infos[0].text(1) != "all.count" || infos[0].text(2) != "sum" || infos[1].text(2) != "average" {
		t.Errorf("%v", infos)
	}

	var tags []string // JSON all the same
	c.json(&tags, "GET /tags/autoComplete/tags?expr=dc%3Dy&limit=100&tagPrefix=h", carbonapiAuto, "")
	c.equal(tags, []string{"host"})
}

func TestCarbonapiAuto(t *testing.T) {
	c := newClient(t)
	protocols := readFields(c.ask("GET /_internal/capabilities/", carbonapiAuto, "", "application/x-carbonapi-v3-pb"))
	c.equal(protocols[1], []any{"carbonapi_v3_pb", "carbonapi_v2_pb", "msgpack"})
	c.equal([]int64{protocols.int(3), protocols.int(4), protocols.int(5), protocols.int(6)}, []int64{0, 0, 1, 0})
}
