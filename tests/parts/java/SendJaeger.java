import io.jaegertracing.internal.JaegerSpanContext;
import io.jaegertracing.internal.JaegerTracer;
import io.jaegertracing.internal.reporters.RemoteReporter;
import io.jaegertracing.internal.samplers.ConstSampler;
import io.jaegertracing.thrift.internal.senders.HttpSender;
import io.jaegertracing.thrift.internal.senders.UdpSender;
import io.opentracing.References;
import io.opentracing.Span;
import io.opentracing.Tracer;
import io.opentracing.propagation.Format;
import io.opentracing.propagation.TextMapAdapter;
import io.opentracing.tag.Tags;
import java.util.Map;

/** Jaeger's client: datagrams to an agent in the compact protocol, or posts to a collector. */
final class SendJaeger {
  static boolean send(Map<String, String> options, boolean http) throws Exception {
    String[] endpoint = options.get("--endpoint").split(":");
    var sender =
        http
            ? new HttpSender.Builder("http://" + options.get("--endpoint") + "/api/traces").build()
            : new UdpSender(endpoint[0], Integer.parseInt(endpoint[1]), 0);
    // All spans fit its queue: the client throws away what does not.
    RemoteReporter reporter = new RemoteReporter.Builder().withSender(sender).withMaxQueueSize(10_000).build();
    try (JaegerTracer tracer =
        new JaegerTracer.Builder(options.get("--service"))
            .withReporter(reporter)
            .withSampler(new ConstSampler(true))
            .withTraceId128Bit()
            .build()) {
      for (int i = 0; i < Send.traces(options); i++) {
        trace(i, tracer, Send.failed(options, i));
      }
    }
    return true;
  }

  private static void trace(int i, JaegerTracer tracer, boolean failed) {
    Tracer.SpanBuilder builder = tracer.buildSpan("checkout").withTag(Tags.SPAN_KIND, Tags.SPAN_KIND_SERVER);
    // Of every five, one has the debug flag from its code, and one from the header of a request.
    boolean insists = i % 5 == 1 || i % 5 == 2;
    if (i % 5 == 2) {
      builder.asChildOf(asked(tracer));
    }
    Span root = builder.start();
    if (i % 5 == 1) {
      Tags.SAMPLING_PRIORITY.set(root, 1);
    }
    Span before = null;
    for (String name : Send.CALLED) {
      Tracer.SpanBuilder called = tracer.buildSpan(name).asChildOf(root).withTag(Tags.SPAN_KIND, Tags.SPAN_KIND_CLIENT);
      if (before != null) {
        called.addReference(References.FOLLOWS_FROM, before.context());
      }
      Span child = called.start();
      child.setTag("attempt", i);
      child.log("called");
      if (failed && name.equals("payment")) {
        child.setTag(Tags.ERROR, true);
      }
      child.finish();
      before = child;
    }
    root.finish();
    Send.report(root.context().toTraceId(), 1 + Send.CALLED.length, failed, insists);
  }

  /** What a request brings that somebody wants to see the trace of. */
  private static JaegerSpanContext asked(JaegerTracer tracer) {
    Map<String, String> headers = Map.of("jaeger-debug-id", "please");
    return tracer.extract(Format.Builtin.HTTP_HEADERS, new TextMapAdapter(headers));
  }
}
