import io.jaegertracing.internal.JaegerTracer;
import io.jaegertracing.internal.reporters.RemoteReporter;
import io.jaegertracing.internal.samplers.ConstSampler;
import io.jaegertracing.thrift.internal.senders.HttpSender;
import io.jaegertracing.thrift.internal.senders.UdpSender;
import io.opentracing.Span;
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
      int traces = Integer.parseInt(options.get("--traces"));
      for (int i = 0; i < traces; i++) {
        Span root = tracer.buildSpan("checkout").withTag(Tags.SPAN_KIND, Tags.SPAN_KIND_SERVER).start();
        for (String name : Send.CALLED) {
          Span child = tracer.buildSpan(name).asChildOf(root).withTag(Tags.SPAN_KIND, Tags.SPAN_KIND_CLIENT).start();
          child.setTag("attempt", i);
          child.log("called");
          if (Send.failed(i) && name.equals("payment")) {
            child.setTag(Tags.ERROR, true);
          }
          child.finish();
        }
        root.finish();
        Send.report(root.context().toTraceId(), 1 + Send.CALLED.length, Send.failed(i));
      }
    }
    return true;
  }
}
