"""Sends traces through a real library and prints what was sent, a JSON line a trace.

The OpenTelemetry SDK for Python with its exporters for OTLP and Zipkin, py-zipkin in each of its
encodings, and jaeger-client, which sends datagrams.
"""

import argparse
import json
import sys
import time
import urllib.request

NAMES = ["cart", "payment", "shipping"]
# Of py-zipkin: what its encoding is called, where it is sent to, and as what.
ZIPKIN = {
    "zipkin": ("V2_JSON", "/api/v2/spans", "application/json"),
    "zipkin-proto": ("V2_PROTO3", "/api/v2/spans", "application/x-protobuf"),
    "zipkin-v1": ("V1_JSON", "/api/v1/spans", "application/json"),
}


def otel_exporter(arguments):
    if arguments.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(endpoint=arguments.endpoint, insecure=True)
    if arguments.protocol == "http":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(endpoint=f"http://{arguments.endpoint}/v1/traces")
    from opentelemetry.exporter.zipkin.json import ZipkinExporter

    return ZipkinExporter(endpoint=f"http://{arguments.endpoint}/api/v2/spans")


def otel_parent(arguments, i):
    """The context of a span elsewhere, if trace number `i` is to be a part of its trace."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if not arguments.under:
        return None
    ids = (int(text, 16) for text in arguments.under[i])
    parent = SpanContext(*ids, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(parent))


def otel(arguments):
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

    provider = TracerProvider(resource=Resource.create({"service.name": arguments.service}))
    provider.add_span_processor(BatchSpanProcessor(otel_exporter(arguments)))
    tracer = provider.get_tracer("sender", "1")
    roots = []
    for i in range(arguments.traces):
        failed = arguments.fails(i)
        root = tracer.start_span("checkout", otel_parent(arguments, i), kind=SpanKind.SERVER)
        for name in NAMES:
            child = tracer.start_span(name, set_span_in_context(root), kind=SpanKind.CLIENT)
            child.set_attribute("attempt", i)
            child.add_event("called", {"cached": False})
            if failed and name == "payment":
                child.set_status(Status(StatusCode.ERROR, "card refused"))
            child.end()
        last = format(child.get_span_context().span_id, "016x")
        report(format(root.get_span_context().trace_id, "032x"), failed, last=last)
        roots.append(root)
        if not arguments.hold:
            root.end()
    if arguments.hold:
        sys.stdin.read()
        for root in roots:
            root.end()
    provider.shutdown()


def zipkin(arguments):
    from py_zipkin import Encoding, Kind
    from py_zipkin.zipkin import zipkin_span

    encoding, path, content_type = ZIPKIN[arguments.protocol]

    def transport(payload):
        request = urllib.request.Request(
            f"http://{arguments.endpoint}{path}",
            data=payload if isinstance(payload, bytes) else payload.encode(),
            headers={"Content-Type": content_type},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            if answer.status != 202:
                sys.exit(f"answered {answer.status}")

    for i in range(arguments.traces):
        failed = arguments.fails(i)
        with zipkin_span(
            service_name=arguments.service,
            span_name="checkout",
            kind=Kind.SERVER,
            transport_handler=transport,
            sample_rate=100.0,
            encoding=getattr(Encoding, encoding),
            use_128bit_trace_id=True,
        ) as root:
            for name in NAMES:
                with zipkin_span(service_name=arguments.service, span_name=name, kind=Kind.CLIENT) as child:
                    if failed and name == "payment":
                        child.update_binary_annotations({"error": "card refused"})
            trace_id = root.zipkin_attrs.trace_id
        report(trace_id, failed)


def jaeger(arguments):
    from jaeger_client import Config, SpanContext
    from opentracing import Format, child_of, follows_from

    host, port = arguments.endpoint.rsplit(":", 1)
    settings = {
        "sampler": {"type": "const", "param": 1},
        "local_agent": {"reporting_host": host, "reporting_port": int(port)},
        "logging": False,
    }
    tracer = Config(config=settings, service_name=arguments.service, validate=True).initialize_tracer()
    for i in range(arguments.traces):
        failed = arguments.fails(i)
        parent, insists = None, False
        if arguments.under:
            # This client has ids of 64 bits, and takes of a longer one the low half.
            trace, span = arguments.under[i]
            parent = SpanContext(int(trace[-16:], 16), int(span, 16), None, 1)
        else:
            # Of every five, one has the debug flag from its code, one from the header of a request.
            insists = i % 5 in (1, 2)
            if i % 5 == 2:
                parent = tracer.extract(Format.HTTP_HEADERS, {"jaeger-debug-id": "please"})
        with tracer.start_span("checkout", child_of=parent, tags={"span.kind": "server"}) as root:
            if insists and i % 5 == 1:
                root.set_tag("sampling.priority", 1)
            before = None
            for name in NAMES:
                references = [child_of(root.context)]
                if before:
                    references.append(follows_from(before.context))
                with tracer.start_span(name, references=references, tags={"span.kind": "client"}) as child:
                    child.set_tag("attempt", i)
                    child.log_kv({"event": "called", "cached": False})
                    if failed and name == "payment":
                        child.set_tag("error", True)
                before = child
        report(format(root.trace_id, "016x"), failed, insists)
    sent = tracer.close()
    while not sent.done():
        time.sleep(0.01)


def report(trace_id, failed, insists=False, last=None):
    """Says what was sent: `last` is a span that can go on to call others."""
    said = {"trace_id": trace_id, "spans": 1 + len(NAMES), "error": failed, "insists": insists}
    print(json.dumps(said | {"last": last}), flush=True)


def main():
    senders = {"grpc": otel, "http": otel, "otel-zipkin": otel, "jaeger": jaeger}
    senders |= {protocol: zipkin for protocol in ZIPKIN}
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", default="127.0.0.1:4317", help="host:port")
    parser.add_argument("--protocol", choices=senders, default="grpc")
    parser.add_argument("--service", default="python")
    parser.add_argument("--traces", type=int, default=10, help="how many; every fifth has an error")
    parser.add_argument("--fails", type=int, help="the number of the trace that has one instead")
    parser.add_argument("--under", help="TRACE:SPAN,TRACE:SPAN: what is elsewhere of each trace")
    parser.add_argument("--hold", action="store_true", help="end the roots when the input ends")
    arguments = parser.parse_args()
    if arguments.under:
        arguments.under = [pair.split(":") for pair in arguments.under.split(",")]
        arguments.traces = len(arguments.under)
    number = arguments.fails
    arguments.fails = lambda i: i % 5 == 0 if number is None else i == number
    senders[arguments.protocol](arguments)


main()
