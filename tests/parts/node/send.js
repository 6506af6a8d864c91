// Sends traces through the OpenTelemetry SDK for Node.js and prints what was sent, a JSON line a trace.
const { parseArgs } = require('node:util');
const { context, trace, SpanKind, SpanStatusCode } = require('@opentelemetry/api');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: '127.0.0.1:4317' },
    protocol: { type: 'string', default: 'grpc' },
    service: { type: 'string', default: 'node' },
    traces: { type: 'string', default: '10' },
  },
});

// The http exporter of this SDK sends JSON, the proto one protobuf.
const exporters = {
  grpc: ['@opentelemetry/exporter-trace-otlp-grpc', `http://${values.endpoint}`],
  json: ['@opentelemetry/exporter-trace-otlp-http', `http://${values.endpoint}/v1/traces`],
  http: ['@opentelemetry/exporter-trace-otlp-proto', `http://${values.endpoint}/v1/traces`],
};

async function main() {
  const [name, url] = exporters[values.protocol];
  const { OTLPTraceExporter } = require(name);
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': values.service }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }))],
  });
  const tracer = provider.getTracer('sender', '1');
  for (let i = 0; i < Number(values.traces); i++) {
    const failed = i % 5 === 0;
    const root = tracer.startSpan('checkout', { kind: SpanKind.SERVER });
    const parent = trace.setSpan(context.active(), root);
    for (const step of ['cart', 'payment', 'shipping']) {
      const child = tracer.startSpan(step, { kind: SpanKind.CLIENT, attributes: { attempt: i } }, parent);
      child.addEvent('called', { cached: false });
      if (failed && step === 'payment') {
        child.setStatus({ code: SpanStatusCode.ERROR, message: 'card refused' });
      }
      child.end();
    }
    root.end();
    console.log(JSON.stringify({ trace_id: root.spanContext().traceId, spans: 4, error: failed }));
  }
  await provider.shutdown();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
