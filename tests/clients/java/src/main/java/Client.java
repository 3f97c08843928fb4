import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.exporter.otlp.http.logs.OtlpHttpLogRecordExporter;
import io.opentelemetry.exporter.otlp.http.metrics.OtlpHttpMetricExporter;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.logs.OtlpGrpcLogRecordExporter;
import io.opentelemetry.exporter.otlp.metrics.OtlpGrpcMetricExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import io.opentelemetry.sdk.logs.export.BatchLogRecordProcessor;
import io.opentelemetry.sdk.logs.export.LogRecordExporter;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.export.MetricExporter;
import io.opentelemetry.sdk.metrics.export.PeriodicMetricReader;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Sends a fixed set of spans, metric points and log records with the OpenTelemetry SDK.
 *
 * <p>Usage: Client PROTOCOL ENDPOINT, where PROTOCOL is grpc or http/protobuf.
 */
public final class Client {
  public static void main(String[] args) {
    String endpoint = args[1];
    SpanExporter spans;
    MetricExporter points;
    LogRecordExporter records;
    if (args[0].equals("grpc")) {
      spans = OtlpGrpcSpanExporter.builder().setEndpoint(endpoint).build();
      points = OtlpGrpcMetricExporter.builder().setEndpoint(endpoint).build();
      records = OtlpGrpcLogRecordExporter.builder().setEndpoint(endpoint).build();
    } else {
      spans = OtlpHttpSpanExporter.builder().setEndpoint(endpoint + "/v1/traces").build();
      points = OtlpHttpMetricExporter.builder().setEndpoint(endpoint + "/v1/metrics").build();
      records = OtlpHttpLogRecordExporter.builder().setEndpoint(endpoint + "/v1/logs").build();
    }
    var resource = Resource.getDefault().toBuilder().put("service.name", "client-java").build();
    var traces =
        SdkTracerProvider.builder()
            .setResource(resource)
            .addSpanProcessor(BatchSpanProcessor.builder(spans).build())
            .build();
    var metrics =
        SdkMeterProvider.builder()
            .setResource(resource)
            .registerMetricReader(
                PeriodicMetricReader.builder(points).setInterval(Duration.ofHours(1)).build())
            .build();
    var logs =
        SdkLoggerProvider.builder()
            .setResource(resource)
            .addLogRecordProcessor(BatchLogRecordProcessor.builder(records).build())
            .build();

    var tracer = traces.get("client");
    var meter = metrics.get("client");
    var logger = logs.get("client");
    var orders = meter.counterBuilder("orders").setUnit("1").setDescription("Orders placed").build();
    var duration = meter.histogramBuilder("duration").setUnit("ms").build();
    var stock = meter.upDownCounterBuilder("stock").build();

    for (int number = 0; number < 20; number++) {
      var payment = Attributes.of(AttributeKey.stringKey("payment"), number % 2 == 1 ? "card" : "invoice");
      boolean refused = number % 5 == 0;
      var order = tracer.spanBuilder("order-%02d".formatted(number)).setSpanKind(SpanKind.SERVER).startSpan();
      order.setAttribute("order.number", number);
      order.setAttribute("amount", number * 1.5);
      order.setAttribute("paid", number % 3 == 0);
      order.setAttribute(AttributeKey.stringArrayKey("tags"), List.of("new", "größer", "注文"));
      order.addEvent("checked", Attributes.of(AttributeKey.stringKey("by"), "nobody"));
      if (refused) {
        order.setStatus(StatusCode.ERROR, "refused");
      }
      var inside = Context.root().with(order);
      var pay =
          tracer
              .spanBuilder("pay-%02d".formatted(number))
              .setParent(inside)
              .setSpanKind(SpanKind.CLIENT)
              .setAllAttributes(payment)
              .startSpan();
      logger
          .logRecordBuilder()
          .setContext(inside.with(pay))
          .setSeverity(refused ? Severity.ERROR : Severity.INFO)
          .setBody("order %02d placed".formatted(number))
          .setAttribute(AttributeKey.longKey("order.number"), (long) number)
          .emit();
      pay.end();
      order.end();
      orders.add(1, payment);
      duration.record(number * 10.0, payment);
      stock.add(-1);
    }

    for (var closing : List.of(traces.shutdown(), metrics.shutdown(), logs.shutdown())) {
      if (!closing.join(20, TimeUnit.SECONDS).isSuccess()) {
        System.err.println("shutdown failed");
        System.exit(1);
      }
    }
  }
}
