import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Scanner;
import zipkin2.Span;
import zipkin2.codec.SpanBytesDecoder;
import zipkin2.codec.SpanBytesEncoder;

/**
 * Takes requests as a Zipkin does: reads lines of a decoder's name and a body in hex, and writes for each a line
 * with the spans in v2 JSON, or "refused".
 */
final class DecodeZipkin {
  public static void main(String[] arguments) {
    Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8);
    StringBuilder out = new StringBuilder();
    while (lines.hasNextLine()) {
      String[] words = lines.nextLine().split(" ", -1);
      out.append(decoded(SpanBytesDecoder.valueOf(words[0]), HexFormat.of().parseHex(words[1])));
      out.append('\n');
    }
    byte[] all = out.toString().getBytes(StandardCharsets.UTF_8);
    System.out.write(all, 0, all.length);
    System.out.flush();
  }

  /** What the server looks for in JSON before it decodes. */
  private static boolean isOfAnotherVersion(SpanBytesDecoder decoder, String body) {
    return switch (decoder) {
      case JSON_V1 -> body.contains("Endpoint\"") || body.contains("\"tags\"");
      case JSON_V2 -> body.contains("inaryAnnotations\"");
      default -> false;
    };
  }

  private static String decoded(SpanBytesDecoder decoder, byte[] body) {
    if (body.length == 0) {
      return "[]";
    }
    try {
      if (isOfAnotherVersion(decoder, new String(body, StandardCharsets.ISO_8859_1))) {
        return "refused";
      }
      List<Span> spans = decoder.decodeList(body);
      return new String(SpanBytesEncoder.JSON_V2.encodeList(spans), StandardCharsets.UTF_8);
    } catch (RuntimeException e) {
      return "refused";
    }
  }
}
