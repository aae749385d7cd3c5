package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Collector answers scrapes with the numbers of its sources at that moment.
type Collector struct {
	src   Sources
	descs []*prometheus.Desc // by index in families
}

// NewCollector returns a collector that reads src at each scrape.
func NewCollector(src Sources) *Collector {
	c := &Collector{src: src}
	for _, f := range families {
		c.descs = append(c.descs, prometheus.NewDesc(namespace+f.name, f.help, f.labels, nil))
	}
	return c
}

// NewRegistry returns a registry of its own with a Collector of src and those
// of the Go runtime and the process.
func NewRegistry(src Sources) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(NewCollector(src), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// Collect implements [prometheus.Collector]. All that it sends comes from one
// reading of the sources.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	s := c.src.read()
	for i, f := range families {
		f.read(s, func(value float64, labels ...string) {
			for j := range labels {
				// A file name may hold anything; a scrape must be UTF-8.
				labels[j] = strings.ToValidUTF8(labels[j], "\ufffd")
			}
			out <- prometheus.MustNewConstMetric(c.descs[i], f.kind, value, labels...)
		})
	}
}
