"""Sends traces through the OpenTelemetry SDK for Python, or py-zipkin, and prints what was sent, a JSON line a trace."""

import argparse
import json
import sys
import urllib.request

NAMES = ["cart", "payment", "shipping"]


def otel(arguments):
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode

    if arguments.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=arguments.endpoint, insecure=True)
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=f"http://{arguments.endpoint}/v1/traces")
    provider = TracerProvider(resource=Resource.create({"service.name": arguments.service}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("sender", "1")
    for i in range(arguments.traces):
        failed = i % 5 == 0
        with tracer.start_as_current_span("checkout", kind=SpanKind.SERVER) as root:
            for name in NAMES:
                with tracer.start_as_current_span(name, kind=SpanKind.CLIENT) as child:
                    child.set_attribute("attempt", i)
                    child.add_event("called", {"cached": False})
                    if failed and name == "payment":
                        child.set_status(Status(StatusCode.ERROR, "card refused"))
        report(format(root.get_span_context().trace_id, "032x"), failed)
    provider.shutdown()


def zipkin(arguments):
    from py_zipkin import Encoding, Kind
    from py_zipkin.zipkin import zipkin_span

    def transport(payload):
        request = urllib.request.Request(
            f"http://{arguments.endpoint}/api/v2/spans",
            data=payload if isinstance(payload, bytes) else payload.encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            if answer.status != 202:
                sys.exit(f"answered {answer.status}")

    for i in range(arguments.traces):
        failed = i % 5 == 0
        with zipkin_span(
            service_name=arguments.service,
            span_name="checkout",
            kind=Kind.SERVER,
            transport_handler=transport,
            sample_rate=100.0,
            encoding=Encoding.V2_JSON,
            use_128bit_trace_id=True,
        ) as root:
            for name in NAMES:
                with zipkin_span(service_name=arguments.service, span_name=name, kind=Kind.CLIENT) as child:
                    if failed and name == "payment":
                        child.update_binary_annotations({"error": "card refused"})
            trace_id = root.zipkin_attrs.trace_id
        report(trace_id, failed)


def report(trace_id, failed):
    print(json.dumps({"trace_id": trace_id, "spans": 1 + len(NAMES), "error": failed}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", default="127.0.0.1:4317", help="host:port")
    parser.add_argument("--protocol", choices=["grpc", "http", "zipkin"], default="grpc")
    parser.add_argument("--service", default="python")
    parser.add_argument("--traces", type=int, default=10, help="how many; every fifth has an error")
    arguments = parser.parse_args()
    (zipkin if arguments.protocol == "zipkin" else otel)(arguments)


main()
