package metrics

import "github.com/prometheus/client_golang/prometheus"

// prefix is the prefix of the names of the server's metrics.
const prefix = "carillon_"

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name, help, label string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, []string{label})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

// reasons are counters by reason. All exist from the start, so that a rate includes the first increment and finding one
// needs no lock.
type reasons struct {
	known map[string]prometheus.Counter
	other prometheus.Counter // counts unknown reasons
}

func newReasons[R ~string](counters *prometheus.CounterVec, known ...R) reasons {
	r := reasons{known: make(map[string]prometheus.Counter, len(known)), other: counters.WithLabelValues("other")}
	for _, reason := range known {
		r.known[string(reason)] = counters.WithLabelValues(string(reason))
	}
	return r
}

func (r reasons) count(reason string) {
	if c, known := r.known[reason]; known {
		c.Inc()
		return
	}
	r.other.Inc()
}
