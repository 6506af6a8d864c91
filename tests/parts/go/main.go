// Sends traces through the OpenTelemetry SDK for Go and prints what was sent, a JSON line a trace.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	endpoint := flag.String("endpoint", "127.0.0.1:4317", "host:port")
	protocol := flag.String("protocol", "grpc", "grpc or http")
	service := flag.String("service", "go", "service.name")
	traces := flag.Int("traces", 10, "how many traces; every fifth has an error")
	flag.Parse()
	if err := run(*endpoint, *protocol, *service, *traces); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(endpoint, protocol, service string, traces int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var exporter *otlptrace.Exporter
	var err error
	if protocol == "grpc" {
		exporter, err = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(endpoint), otlptracegrpc.WithInsecure(), otlptracegrpc.WithCompressor("gzip"))
	} else {
		exporter, err = otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(endpoint), otlptracehttp.WithInsecure(), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	}
	if err != nil {
		return err
	}
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(exporter, sdk.WithBlocking()),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", service))),
	)
	tracer := provider.Tracer("sender", trace.WithInstrumentationVersion("1"))
	for i := range traces {
		failed := i%5 == 0
		parent, root := tracer.Start(ctx, "checkout", trace.WithSpanKind(trace.SpanKindServer))
		for _, name := range []string{"cart", "payment", "shipping"} {
			_, child := tracer.Start(parent, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.Int("attempt", i)))
			if failed && name == "payment" {
				child.SetStatus(codes.Error, "card refused")
			}
			child.AddEvent("called", trace.WithAttributes(attribute.Bool("cached", false)))
			child.End()
		}
		root.End()
		line, _ := json.Marshal(map[string]any{"trace_id": root.SpanContext().TraceID().String(), "spans": 4, "error": failed})
		fmt.Println(string(line))
	}
	return provider.Shutdown(ctx)
}
