// Sends a fixed set of spans, metric points and log records with the OpenTelemetry SDK.
//
// Usage: node client.mjs PROTOCOL ENDPOINT, where PROTOCOL is grpc, http/protobuf or http/json.

import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [protocol, endpoint] = process.argv.slice(2);
const flavour = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }[protocol];
const exporter = async (signal, name) => {
  const module = await import(`@opentelemetry/exporter-${signal}-otlp-${flavour}`);
  const url = flavour === 'grpc' ? endpoint : `${endpoint}/v1/${signal === 'trace' ? 'traces' : signal}`;
  return new module[name]({ url });
};

const resource = resourceFromAttributes({ 'service.name': 'client-node' });
const traces = new BasicTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(await exporter('trace', 'OTLPTraceExporter'))],
});
const metrics = new MeterProvider({
  resource,
  readers: [
    new PeriodicExportingMetricReader({
      exporter: await exporter('metrics', 'OTLPMetricExporter'),
      exportIntervalMillis: 3_600_000,
    }),
  ],
});
const logs = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: await exporter('logs', 'OTLPLogExporter') })],
});

const tracer = traces.getTracer('client', '1.0');
const meter = metrics.getMeter('client', '1.0');
const logger = logs.getLogger('client', '1.0');
const orders = meter.createCounter('orders', { unit: '1', description: 'Orders placed' });
const duration = meter.createHistogram('duration', { unit: 'ms' });
const stock = meter.createUpDownCounter('stock');

for (let number = 0; number < 20; number++) {
  const nn = String(number).padStart(2, '0');
  const payment = number % 2 ? 'card' : 'invoice';
  const refused = number % 5 === 0;
  const order = tracer.startSpan(`order-${nn}`, { kind: SpanKind.SERVER });
  const inside = trace.setSpan(context.active(), order);
  order.setAttributes({ 'order.number': number, amount: number * 1.5, paid: number % 3 === 0 });
  order.setAttribute('tags', ['new', 'größer', '注文']);
  order.addEvent('checked', { by: 'nobody' });
  if (refused) order.setStatus({ code: SpanStatusCode.ERROR, message: 'refused' });
  const pay = tracer.startSpan(`pay-${nn}`, { kind: SpanKind.CLIENT, attributes: { payment } }, inside);
  logger.emit({
    severityNumber: refused ? SeverityNumber.ERROR : SeverityNumber.INFO,
    severityText: refused ? 'ERROR' : 'INFO',
    body: `order ${nn} placed`,
    attributes: { 'order.number': number },
    context: trace.setSpan(inside, pay),
  });
  pay.end();
  order.end();
  orders.add(1, { payment });
  duration.record(number * 10, { payment });
  stock.add(-1);
}

for (const provider of [traces, metrics, logs]) {
  await provider.forceFlush();
  await provider.shutdown();
}
