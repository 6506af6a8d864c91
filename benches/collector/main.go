// A Collector's tail_sampling processor alone, and the CPU time that it takes.
//
//	collector POLICIES.yaml COUNT < REQUESTS
//
// Decides about the traces in REQUESTS by the first COUNT policies of the file, again and again, and
// prints nanoseconds of CPU time (user and system, of all threads, with the garbage collector's)
// for each span: to decode requests, to take them in, to decide, and for all three in one go; and
// how many traces were kept. `benches/policies` says what is in each figure.
//
// REQUESTS are, of each, four bytes that say how long it is, the lowest first, and an
// ExportTraceServiceRequest.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	metrics "go.opentelemetry.io/otel/metric/noop"
	traces "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

const (
	// Decisions are made when the processor is shut down: all at once, and none before. Longer
	// than any round takes, and short, since a shutdown also looks at each second of it.
	decisionWait = 20 * time.Second
	// Rounds that are counted, after one that is not.
	rounds = 3
)

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: %s POLICIES.yaml COUNT < REQUESTS", os.Args[0]))
	}
	count, err := strconv.Atoi(os.Args[2])
	fail(err)
	requests, err := read(os.Stdin)
	fail(err)
	bench := bench{policies: os.Args[1], count: count, requests: requests}

	bench.inParts()
	bench.inOneGo()
	var decode, consume, decide, whole []float64
	for range rounds {
		parts := bench.inParts()
		decode = append(decode, parts[0])
		consume = append(consume, parts[1])
		decide = append(decide, parts[2])
	}
	for range rounds {
		whole = append(whole, bench.inOneGo())
	}
	fmt.Printf("%.1f %.1f %.1f %.1f %d\n", median(decode), median(consume), median(decide), mean(whole), bench.kept)
}

type bench struct {
	policies string
	count    int
	requests [][]byte
	// Of the last round.
	kept int64
}

// One round whose parts are kept apart. Each begins with a heap that has been cleared, uncounted, so
// that it pays for the rubbish that it makes itself, if that is enough to be collected.
func (bench *bench) inParts() [3]float64 {
	subject, sink := bench.start()
	decoded := make([]ptrace.Traces, 0, len(bench.requests))
	var used [3]time.Duration
	spans := 0

	runtime.GC()
	begun := cpu()
	for _, request := range bench.requests {
		decoded = append(decoded, decode(request))
	}
	used[0] = cpu() - begun

	runtime.GC()
	begun = cpu()
	for _, traces := range decoded {
		spans += traces.SpanCount()
		fail(subject.ConsumeTraces(context.Background(), traces))
	}
	used[1] = settled() - begun
	decoded = nil
	if sink.kept.Load() > 0 {
		fail(fmt.Errorf("traces were decided within %v: the machine is too slow", decisionWait))
	}

	runtime.GC()
	begun = cpu()
	fail(subject.Shutdown(context.Background()))
	used[2] = cpu() - begun
	bench.kept = sink.kept.Load()

	var each [3]float64
	for part := range used {
		each[part] = float64(used[part].Nanoseconds()) / float64(spans)
	}
	return each
}

// One round as a Collector works: a request is decoded and taken in, then comes the next one. The
// garbage collector runs when it wants to.
func (bench *bench) inOneGo() float64 {
	subject, sink := bench.start()
	spans := 0
	begun := cpu()
	for _, request := range bench.requests {
		traces := decode(request)
		spans += traces.SpanCount()
		fail(subject.ConsumeTraces(context.Background(), traces))
	}
	fail(subject.Shutdown(context.Background()))
	used := cpu() - begun
	bench.kept = sink.kept.Load()
	return float64(used.Nanoseconds()) / float64(spans)
}

// A processor with the policies, and what it gives kept traces to.
func (bench *bench) start() (processor.Traces, *sink) {
	factory := tailsamplingprocessor.NewFactory()
	config := factory.CreateDefaultConfig().(*tailsamplingprocessor.Config)
	text, err := os.ReadFile(bench.policies)
	fail(err)
	retrieved, err := confmap.NewRetrievedFromYAML(text)
	fail(err)
	file, err := retrieved.AsConf()
	fail(err)
	fail(file.Unmarshal(config))
	config.PolicyCfgs = config.PolicyCfgs[:bench.count]
	config.DecisionWait = decisionWait
	// No trace is pushed out before its time.
	config.NumTraces = 1 << 30
	fail(config.Validate())

	settings := processor.Settings{
		ID: component.NewID(factory.Type()),
		TelemetrySettings: component.TelemetrySettings{
			Logger:         zap.NewNop(),
			TracerProvider: traces.NewTracerProvider(),
			MeterProvider:  metrics.NewMeterProvider(),
			Resource:       pcommon.NewResource(),
		},
	}
	sink := &sink{}
	subject, err := factory.CreateTraces(context.Background(), settings, config, sink)
	fail(err)
	fail(subject.Start(context.Background(), host{}))
	return subject, sink
}

// Counts the kept traces, each of which comes by itself, and forgets them.
type sink struct{ kept atomic.Int64 }

func (*sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (sink *sink) ConsumeTraces(context.Context, ptrace.Traces) error {
	sink.kept.Add(1)
	return nil
}

type host struct{}

func (host) GetExtensions() map[component.ID]component.Component { return nil }

func decode(request []byte) ptrace.Traces {
	traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
	fail(err)
	return traces
}

// CPU time of this process, once it has nothing left to do.
func settled() time.Duration {
	for used := cpu(); ; {
		time.Sleep(5 * time.Millisecond)
		now := cpu()
		if now-used < 100*time.Microsecond {
			return now
		}
		used = now
	}
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

func median(figures []float64) float64 {
	slices.Sort(figures)
	return figures[len(figures)/2]
}

func mean(figures []float64) float64 {
	sum := 0.0
	for _, figure := range figures {
		sum += figure
	}
	return sum / float64(len(figures))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
