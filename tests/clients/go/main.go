// Sends a fixed set of spans, metric points and log records with the OpenTelemetry SDK.
//
// Usage: client PROTOCOL ENDPOINT, where PROTOCOL is grpc or http/protobuf.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func exporters(ctx context.Context, protocol, endpoint string) (sdktrace.SpanExporter, sdkmetric.Exporter, sdklog.Exporter, error) {
	if protocol == "grpc" {
		spans, e1 := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(endpoint))
		points, e2 := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(endpoint))
		records, e3 := otlploggrpc.New(ctx, otlploggrpc.WithEndpointURL(endpoint))
		return spans, points, records, errors.Join(e1, e2, e3)
	}
	spans, e1 := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint+"/v1/traces"))
	points, e2 := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(endpoint+"/v1/metrics"))
	records, e3 := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(endpoint+"/v1/logs"))
	return spans, points, records, errors.Join(e1, e2, e3)
}

func run(ctx context.Context, protocol, endpoint string) error {
	spans, points, records, err := exporters(ctx, protocol, endpoint)
	if err != nil {
		return err
	}
	res := resource.NewSchemaless(attribute.String("service.name", "client-go"))
	traces := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(spans))
	reader := sdkmetric.NewPeriodicReader(points, sdkmetric.WithInterval(time.Hour))
	metrics := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(reader))
	logs := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(sdklog.NewBatchProcessor(records)))

	tracer, meter, logger := traces.Tracer("client"), metrics.Meter("client"), logs.Logger("client")
	orders, e1 := meter.Int64Counter("orders", metric.WithUnit("1"), metric.WithDescription("Orders placed"))
	duration, e2 := meter.Float64Histogram("duration", metric.WithUnit("ms"))
	stock, e3 := meter.Int64UpDownCounter("stock")
	if err := errors.Join(e1, e2, e3); err != nil {
		return err
	}
	for number := range 20 {
		payment := attribute.String("payment", [...]string{"invoice", "card"}[number%2])
		octx, order := tracer.Start(ctx, fmt.Sprintf("order-%02d", number), trace.WithSpanKind(trace.SpanKindServer))
		order.SetAttributes(attribute.Int("order.number", number), attribute.Float64("amount", float64(number)*1.5),
			attribute.Bool("paid", number%3 == 0), attribute.StringSlice("tags", []string{"new", "größer", "注文"}))
		order.AddEvent("checked", trace.WithAttributes(attribute.String("by", "nobody")))
		pctx, pay := tracer.Start(octx, fmt.Sprintf("pay-%02d", number), trace.WithSpanKind(trace.SpanKindClient))
		pay.SetAttributes(payment)
		var record otellog.Record
		record.SetTimestamp(time.Now())
		record.SetSeverity(otellog.SeverityInfo)
		if number%5 == 0 {
			order.SetStatus(codes.Error, "refused")
			record.SetSeverity(otellog.SeverityError)
		}
		record.SetBody(attribute.StringValue(fmt.Sprintf("order %02d placed", number)))
		record.AddAttributes(attribute.Int("order.number", number))
		logger.Emit(pctx, record)
		pay.End()
		order.End()
		orders.Add(ctx, 1, metric.WithAttributes(payment))
		duration.Record(ctx, float64(number)*10, metric.WithAttributes(payment))
		stock.Add(ctx, -1)
	}
	return errors.Join(traces.Shutdown(ctx), metrics.Shutdown(ctx), logs.Shutdown(ctx))
}
