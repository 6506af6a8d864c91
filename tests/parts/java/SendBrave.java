import brave.Span;
import brave.Tracing;
import brave.propagation.TraceContext;
import java.util.Map;
import zipkin2.reporter.Encoding;
import zipkin2.reporter.brave.AsyncZipkinSpanHandler;
import zipkin2.reporter.urlconnection.URLConnectionSender;

/**
 * Brave as services have it by default: trace ids of 64 bits, and a service that is called joins the
 * span of its caller, so that two spans have one id.
 */
final class SendBrave {
  static boolean send(Map<String, String> options, boolean proto) {
    String url = "http://" + options.get("--endpoint") + "/api/v2/spans";
    URLConnectionSender sender =
        URLConnectionSender.newBuilder().endpoint(url).encoding(proto ? Encoding.PROTO3 : Encoding.JSON).build();
    AsyncZipkinSpanHandler handler = AsyncZipkinSpanHandler.create(sender);
    String service = options.get("--service");
    try (Tracing caller = tracing(service, handler);
        Tracing called = tracing(service + "-called", handler)) {
      for (int i = 0; i < Send.traces(options); i++) {
        trace(i, caller, called, options);
      }
      handler.flush();
    }
    handler.close();
    return true;
  }

  private static Tracing tracing(String service, AsyncZipkinSpanHandler handler) {
    return Tracing.newBuilder().localServiceName(service).addSpanHandler(handler).build();
  }

  /** The span elsewhere that this is to be a part of, if any: of its trace id the low half. */
  private static TraceContext parent(String[] under) {
    if (under == null) {
      return null;
    }
    long low = Long.parseUnsignedLong(under[0].substring(under[0].length() - 16), 16);
    long id = Long.parseUnsignedLong(under[1], 16);
    return TraceContext.newBuilder().traceId(low).spanId(id).sampled(true).build();
  }

  private static void trace(int i, Tracing caller, Tracing called, Map<String, String> options) {
    TraceContext parent = parent(Send.parent(options, i));
    boolean failed = Send.failed(options, i);
    Span root = parent == null ? caller.tracer().newTrace() : caller.tracer().newChild(parent);
    root.kind(Span.Kind.SERVER).name("checkout").start();
    for (String name : Send.CALLED) {
      Span client = caller.tracer().newChild(root.context()).kind(Span.Kind.CLIENT).name(name).start();
      client.tag("attempt", Integer.toString(i)).annotate("called");
      Span server = called.tracer().joinSpan(client.context()).kind(Span.Kind.SERVER).name(name).start();
      if (failed && name.equals("payment")) {
        server.error(new IllegalStateException("card refused"));
      }
      server.finish();
      client.finish();
    }
    root.finish();
    Send.report(root.context().traceIdString(), 1 + 2 * Send.CALLED.length, failed);
  }
}
