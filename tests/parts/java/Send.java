import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Sends traces through a real library and prints what was sent, a JSON line a trace: the
 * OpenTelemetry SDK for Java, Brave, or Jaeger's client.
 */
public final class Send {
  static final String[] CALLED = {"cart", "payment", "shipping"};

  public static void main(String[] arguments) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (int i = 0; i + 1 < arguments.length; i += 2) {
      options.put(arguments[i], arguments[i + 1]);
    }
    options.putIfAbsent("--endpoint", "127.0.0.1:4317");
    options.putIfAbsent("--service", "java");
    options.putIfAbsent("--traces", "10");
    options.putIfAbsent("--under", "");
    String protocol = options.getOrDefault("--protocol", "grpc");
    if (!options.get("--under").isEmpty() && !protocol.startsWith("brave")) {
      throw new IllegalArgumentException("--under is known to Brave alone");
    }
    boolean delivered =
        switch (protocol) {
          case "grpc", "http" -> otel(options, protocol.equals("grpc"));
          case "brave", "brave-proto" -> SendBrave.send(options, protocol.equals("brave-proto"));
          case "jaeger", "jaeger-http" -> SendJaeger.send(options, protocol.equals("jaeger-http"));
          default -> throw new IllegalArgumentException("--protocol " + protocol);
        };
    System.exit(delivered ? 0 : 1);
  }

  /** How many traces are sent: as many as {@code --under} names, or {@code --traces}. */
  static int traces(Map<String, String> options) {
    String under = options.get("--under");
    return under.isEmpty() ? Integer.parseInt(options.get("--traces")) : under.split(",").length;
  }

  /** The trace and the span in it, in hexadecimal, that trace number {@code i} is a part of; or null. */
  static String[] parent(Map<String, String> options, int i) {
    String under = options.get("--under");
    return under.isEmpty() ? null : under.split(",")[i].split(":");
  }

  /** Whether trace number {@code i} has an error: the one that {@code --fails} names, or every fifth. */
  static boolean failed(Map<String, String> options, int i) {
    String fails = options.get("--fails");
    return fails == null ? i % 5 == 0 : i == Integer.parseInt(fails);
  }

  /** Says what was sent. */
  static void report(String traceId, int spans, boolean failed) {
    report(traceId, spans, failed, false);
  }

  /** Says what was sent, and whether its sender insists on it. */
  static void report(String traceId, int spans, boolean failed, boolean insists) {
    System.out.printf(
        "{\"trace_id\":\"%s\",\"spans\":%d,\"error\":%b,\"insists\":%b}%n", traceId, spans, failed, insists);
  }

  private static boolean otel(Map<String, String> options, boolean grpc) {
    String endpoint = options.get("--endpoint");
    SpanExporter exporter =
        grpc
            ? OtlpGrpcSpanExporter.builder().setEndpoint("http://" + endpoint).setCompression("gzip").build()
            : OtlpHttpSpanExporter.builder().setEndpoint("http://" + endpoint + "/v1/traces").setCompression("gzip").build();
    Resource resource = Resource.create(Attributes.of(AttributeKey.stringKey("service.name"), options.get("--service")));
    SdkTracerProvider provider =
        SdkTracerProvider.builder().setResource(resource).addSpanProcessor(BatchSpanProcessor.builder(exporter).build()).build();
    Tracer tracer = provider.get("sender", "1");
    for (int i = 0; i < traces(options); i++) {
      boolean failed = failed(options, i);
      Span root = tracer.spanBuilder("checkout").setSpanKind(SpanKind.SERVER).startSpan();
      for (String name : CALLED) {
        Span child =
            tracer.spanBuilder(name).setParent(Context.root().with(root)).setSpanKind(SpanKind.CLIENT).setAttribute("attempt", i).startSpan();
        child.addEvent("called");
        if (failed && name.equals("payment")) {
          child.setStatus(StatusCode.ERROR, "card refused");
        }
        child.end();
      }
      root.end();
      report(root.getSpanContext().getTraceId(), 1 + CALLED.length, failed);
    }
    return provider.shutdown().join(60, TimeUnit.SECONDS).isSuccess();
  }
}
