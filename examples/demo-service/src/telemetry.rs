//! The SDK set up for one service over one protocol, with its exporters counted.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crate::counted::{Counted, Counts, Sent};
use opentelemetry::logs::LoggerProvider;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

/// How telemetry travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

/// One service's telemetry.
pub(crate) struct Telemetry {
    pub(crate) tracer: SdkTracer,
    pub(crate) logger: SdkLogger,
    pub(crate) orders: Counter<u64>,
    pub(crate) duration: Histogram<f64>,
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
    counts: Arc<Counts>,
}

impl Telemetry {
    /// Sends what is told from now on to the endpoint. Inside a tokio runtime.
    pub(crate) fn start(service: &'static str, protocol: Protocol, endpoint: &str) -> Result<Self, Box<dyn Error>> {
        let counts = Arc::new(Counts::default());
        let resource = Resource::builder().with_service_name(service).build();
        let path = |signal: &str| format!("{}/v1/{signal}", endpoint.trim_end_matches('/'));
        let (spans, points, records) = match protocol {
            Protocol::Grpc => (
                SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?,
                MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?,
                LogExporter::builder().with_tonic().with_endpoint(endpoint).build()?,
            ),
            Protocol::Http => (
                SpanExporter::builder().with_http().with_endpoint(path("traces")).build()?,
                MetricExporter::builder().with_http().with_endpoint(path("metrics")).build()?,
                LogExporter::builder().with_http().with_endpoint(path("logs")).build()?,
            ),
        };
        let traces = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_batch_exporter(Counted::new(spans, Arc::clone(&counts)))
            .build();
        // Metrics leave when a round ends, not by the clock.
        let reader = PeriodicReader::builder(Counted::new(points, Arc::clone(&counts)))
            .with_interval(Duration::from_secs(3600))
            .build();
        let metrics = SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(reader).build();
        let logs = SdkLoggerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(Counted::new(records, Arc::clone(&counts)))
            .build();
        let meter = metrics.meter("demo-service");
        Ok(Self {
            tracer: traces.tracer("demo-service"),
            logger: logs.logger("demo-service"),
            orders: meter.u64_counter("shop.orders").with_description("Orders placed").build(),
            duration: meter.f64_histogram("shop.order.duration").with_unit("ms").build(),
            traces,
            metrics,
            logs,
            counts,
        })
    }

    /// Sends what has gathered.
    pub(crate) fn flush(&self) -> Result<(), Box<dyn Error>> {
        self.traces.force_flush()?;
        self.metrics.force_flush()?;
        Ok(self.logs.force_flush()?)
    }

    /// Ends; what was taken in all.
    pub(crate) fn stop(self) -> Result<Sent, Box<dyn Error>> {
        self.traces.shutdown()?;
        self.metrics.shutdown()?;
        self.logs.shutdown()?;
        Ok(self.counts.sent())
    }
}
