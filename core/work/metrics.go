package work

import "github.com/prometheus/client_golang/prometheus"

// metrics of an engine; none carries an id as label.
type metrics struct {
	ended   *prometheus.CounterVec
	alarms  *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	steps   *prometheus.HistogramVec
	// unfinished and overdue are what the last census found.
	unfinished *prometheus.GaugeVec
	overdue    *prometheus.GaugeVec
	// counted are the kinds that the gauges show; the census alone uses it.
	counted map[string]bool
}

func newMetrics(service string, r prometheus.Registerer) metrics {
	labels := prometheus.Labels{"service": service}
	m := metrics{
		counted: map[string]bool{},
		unfinished: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "virga_operations_unfinished",
			Help: "Operations that have not ended, of all processes on this database.", ConstLabels: labels}, []string{"kind"}),
		overdue: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "virga_operations_overdue",
			Help:        "Unfinished operations past their deadline: undone or carried on since, and perhaps in need of an operator.",
			ConstLabels: labels}, []string{"kind"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "virga_operations_ended_total",
			Help: "Operations that ended, by kind and final state.", ConstLabels: labels}, []string{"kind", "state"}),
		alarms: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "virga_operation_alarms_total",
			Help: "Operations that need an operator: undo fails again and again, or the row cannot be loaded.", ConstLabels: labels}, []string{"kind"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "virga_operation_seconds",
			Help: "Time from start to end of operations.", ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(0.005, 3, 10)}, []string{"kind", "state"}),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "virga_operation_step_seconds",
			Help: "Time of one call of a step.", ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9)}, []string{"kind", "step"}),
	}
	if r != nil {
		r.MustRegister(m.ended, m.alarms, m.seconds, m.steps, m.unfinished, m.overdue)
	}
	return m
}
