//! `prometheus.remote_write`: sends samples to Prometheus and what speaks like it.
