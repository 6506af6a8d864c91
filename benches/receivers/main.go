// A Collector's receivers alone, and the CPU time that they take.
//
//	receivers PROTOCOL SECONDS < REQUESTS
//
// Gives the requests to the receiver of the protocol, again and again for about so long, and prints
// nanoseconds of CPU time (user and system, of all threads, with the garbage collector's) for each
// span: to receive it, and to receive it and write it as OTLP, as an exporter or a log would. Sockets
// and gRPC have no part in it: bodies of HTTP are given to the receiver's own handlers, and messages of
// gRPC are decoded as its server does.
//
// REQUESTS are, of each, four bytes that say how long it is, the lowest first, and its bytes. PROTOCOL
// is one of zipkin-json, zipkin-protobuf, zipkin-thrift, jaeger-protobuf, jaeger-thrift.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/jaegerreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/zipkinreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	metrics "go.opentelemetry.io/otel/metric/noop"
	traces "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: %s PROTOCOL SECONDS < REQUESTS", os.Args[0]))
	}
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	fail(err)
	requests, err := read(os.Stdin)
	fail(err)

	var figures [2]float64
	for each, writes := range []bool{false, true} {
		sink := &sink{writes: writes}
		take := receiverOf(os.Args[1], sink)
		// What is done for the first time is not counted.
		for _, request := range requests {
			take(request)
		}
		runtime.GC()
		sink.spans = 0
		begun, until := cpu(), time.Now().Add(time.Duration(seconds*float64(time.Second)))
		for time.Now().Before(until) {
			for _, request := range requests {
				take(request)
			}
		}
		figures[each] = float64((cpu() - begun).Nanoseconds()) / float64(sink.spans)
	}
	fmt.Printf("%.1f %.1f\n", figures[0], figures[1])
}

// What takes a request in the protocol and gives the sink its spans.
func receiverOf(protocol string, sink *sink) func([]byte) {
	switch protocol {
	case "zipkin-json":
		return served(zipkin(sink), "/api/v2/spans", "application/json")
	case "zipkin-protobuf":
		return served(zipkin(sink), "/api/v2/spans", "application/x-protobuf")
	case "zipkin-thrift":
		return served(zipkin(sink), "/api/v1/spans", "application/x-thrift")
	case "jaeger-thrift":
		handler := jaeger(sink).(interface {
			HandleThriftHTTPBatch(http.ResponseWriter, *http.Request)
		})
		return served(http.HandlerFunc(handler.HandleThriftHTTPBatch), "/api/traces", "application/x-thrift")
	case "jaeger-protobuf":
		server := jaeger(sink).(api_v2.CollectorServiceServer)
		return func(message []byte) {
			request := &api_v2.PostSpansRequest{}
			fail(request.Unmarshal(message))
			_, err := server.PostSpans(context.Background(), request)
			fail(err)
		}
	}
	fail(fmt.Errorf("no protocol is called %q", protocol))
	return nil
}

func served(handler http.Handler, path, kind string) func([]byte) {
	return func(body []byte) {
		request := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		request.Header.Set("Content-Type", kind)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code != http.StatusAccepted {
			fail(fmt.Errorf("%s answered %d: %s", path, answer.Code, answer.Body))
		}
	}
}

func zipkin(sink *sink) http.Handler { return created(zipkinreceiver.NewFactory(), sink).(http.Handler) }

func jaeger(sink *sink) receiver.Traces { return created(jaegerreceiver.NewFactory(), sink) }

// A receiver that does not listen.
func created(factory receiver.Factory, sink *sink) receiver.Traces {
	settings := receiver.Settings{
		ID: component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{
			Logger:         zap.NewNop(),
			TracerProvider: traces.NewTracerProvider(),
			MeterProvider:  metrics.NewMeterProvider(),
		},
	}
	subject, err := factory.CreateTraces(context.Background(), settings, factory.CreateDefaultConfig(), sink)
	fail(err)
	return subject
}

// Counts spans, and forgets them.
type sink struct {
	writes bool
	spans  int
}

func (*sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (sink *sink) ConsumeTraces(_ context.Context, traces ptrace.Traces) error {
	sink.spans += traces.SpanCount()
	if sink.writes {
		_, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
		fail(err)
	}
	return nil
}

func cpu() time.Duration {
	var usage syscall.Rusage
	fail(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func read(from io.Reader) ([][]byte, error) {
	var requests [][]byte
	for {
		var length [4]byte
		if _, err := io.ReadFull(from, length[:]); err == io.EOF {
			return requests, nil
		} else if err != nil {
			return nil, err
		}
		request := make([]byte, binary.LittleEndian.Uint32(length[:]))
		if _, err := io.ReadFull(from, request); err != nil {
			return nil, err
		}
		requests = append(requests, request)
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
