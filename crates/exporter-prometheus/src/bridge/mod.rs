//! Between OTLP and samples.
