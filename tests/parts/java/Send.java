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

/** Sends traces through the OpenTelemetry SDK for Java and prints what was sent, a JSON line a trace. */
public final class Send {
  public static void main(String[] arguments) {
    Map<String, String> options = new HashMap<>();
    for (int i = 0; i + 1 < arguments.length; i += 2) {
      options.put(arguments[i], arguments[i + 1]);
    }
    String endpoint = options.getOrDefault("--endpoint", "127.0.0.1:4317");
    SpanExporter exporter =
        options.getOrDefault("--protocol", "grpc").equals("grpc")
            ? OtlpGrpcSpanExporter.builder().setEndpoint("http://" + endpoint).setCompression("gzip").build()
            : OtlpHttpSpanExporter.builder().setEndpoint("http://" + endpoint + "/v1/traces").setCompression("gzip").build();
    Resource resource =
        Resource.create(Attributes.of(AttributeKey.stringKey("service.name"), options.getOrDefault("--service", "java")));
    SdkTracerProvider provider =
        SdkTracerProvider.builder().setResource(resource).addSpanProcessor(BatchSpanProcessor.builder(exporter).build()).build();
    Tracer tracer = provider.get("sender", "1");
    int traces = Integer.parseInt(options.getOrDefault("--traces", "10"));
    for (int i = 0; i < traces; i++) {
      boolean failed = i % 5 == 0;
      Span root = tracer.spanBuilder("checkout").setSpanKind(SpanKind.SERVER).startSpan();
      for (String name : new String[] {"cart", "payment", "shipping"}) {
        Span child =
            tracer.spanBuilder(name).setParent(Context.root().with(root)).setSpanKind(SpanKind.CLIENT).setAttribute("attempt", i).startSpan();
        child.addEvent("called");
        if (failed && name.equals("payment")) {
          child.setStatus(StatusCode.ERROR, "card refused");
        }
        child.end();
      }
      root.end();
      System.out.printf("{\"trace_id\":\"%s\",\"spans\":4,\"error\":%b}%n", root.getSpanContext().getTraceId(), failed);
    }
    boolean delivered = provider.shutdown().join(60, TimeUnit.SECONDS).isSuccess();
    System.exit(delivered ? 0 : 1);
  }
}
