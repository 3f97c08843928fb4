"""Sends a fixed set of spans, metric points and log records with the OpenTelemetry SDK.

Usage: client.py PROTOCOL ENDPOINT, where PROTOCOL is grpc or http/protobuf.
"""

import logging
import sys

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

protocol, endpoint = sys.argv[1:]
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporters = [kind(endpoint=endpoint, insecure=True) for kind in (OTLPSpanExporter, OTLPMetricExporter, OTLPLogExporter)]
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporters = [
        OTLPSpanExporter(endpoint=endpoint + "/v1/traces"),
        OTLPMetricExporter(endpoint=endpoint + "/v1/metrics"),
        OTLPLogExporter(endpoint=endpoint + "/v1/logs"),
    ]

resource = Resource.create({"service.name": "client-python", "service.instance.id": "1"})
traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(exporters[0]))
metrics = MeterProvider(
    resource=resource,
    metric_readers=[PeriodicExportingMetricReader(exporters[1], export_interval_millis=3_600_000)],
)
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(exporters[2]))

tracer = traces.get_tracer("client", "1.0")
meter = metrics.get_meter("client", "1.0")
logger = logging.getLogger("client")
logger.setLevel(logging.INFO)
logger.propagate = False
logger.addHandler(LoggingHandler(logger_provider=logs))
orders = meter.create_counter("orders", unit="1", description="Orders placed")
duration = meter.create_histogram("duration", unit="ms")
stock = meter.create_up_down_counter("stock")

for number in range(20):
    payment = "card" if number % 2 else "invoice"
    with tracer.start_as_current_span(f"order-{number:02}", kind=SpanKind.SERVER) as order:
        order.set_attributes({"order.number": number, "amount": number * 1.5, "paid": number % 3 == 0})
        order.set_attribute("tags", ["new", "größer", "注文"])
        order.add_event("checked", {"by": "nobody"})
        if number % 5 == 0:
            order.set_status(StatusCode.ERROR, "refused")
        with tracer.start_as_current_span(f"pay-{number:02}", kind=SpanKind.CLIENT) as pay:
            pay.set_attribute("payment", payment)
            logger.log(logging.ERROR if number % 5 == 0 else logging.INFO, "order %02d placed", number)
    orders.add(1, {"payment": payment})
    duration.record(number * 10.0, {"payment": payment})
    stock.add(-1)

for provider in (traces, metrics, logs):
    if not provider.force_flush():
        sys.exit("flush failed")
    provider.shutdown()
