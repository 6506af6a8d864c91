{{- /*
Takes the root and an empty dictionary, into which it puts
  config     all of `config` but `tail_sampling`, with what the chart adds
  policies   `tail_sampling`
  ports      name, port, protocol and appProtocol of each listener
  admin      the port of the admin listener, and its scheme
and refuses values that make no sense together.
*/ -}}
{{- define "wholetrace.compute" -}}
{{- $root := index . 0 -}}
{{- $out := index . 1 -}}
{{- $config := deepCopy $root.Values.config -}}
{{- include "wholetrace.log" (list $root $config) -}}
{{- $_ := set $out "ports" list -}}
{{- range $name, $receiver := default dict $config.receivers -}}
{{- $type := index (splitList "/" $name) 0 -}}
{{- $kinds := get (include "wholetrace.kinds" $root | fromYaml) $type -}}
{{- range $path, $kind := default dict $kinds -}}
{{- $section := $receiver -}}
{{- range without (splitList "." $path) "" }}{{ $section = get (default dict $section) . }}{{ end -}}
{{- if kindIs "map" $section -}}
{{- $key := printf "config.receivers.%s" (list $name $path | compact | join ".") -}}
{{- include "wholetrace.listener" (dict "root" $root "out" $out "key" $key "section" $section "kind" $kind "named" (contains "/" $name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $out "ports" (concat $out.ports $root.Values.extraPorts) -}}
{{- $admin := default dict $config.admin -}}
{{- $_ := set $out "admin" (dict "port" (include "wholetrace.port" (list "config.admin.endpoint" $admin.endpoint) | int) "scheme" (ternary "HTTPS" "HTTP" (hasKey $admin "tls"))) -}}
{{- $_ := set $out "policies" (pick $config "tail_sampling") -}}
{{- $_ := set $out "config" (omit $config "tail_sampling") -}}
{{- end -}}

{{- /* The listeners of each type of receiver by where their section is: port's name, protocols, TLS. */ -}}
{{- define "wholetrace.kinds" -}}
otlp:
  protocols.grpc: { name: otlp-grpc, appProtocol: grpc, tls: true }
  protocols.http: { name: otlp-http, appProtocol: http, tls: true }
zipkin:
  "": { name: zipkin, appProtocol: http, tls: true }
jaeger:
  protocols.grpc: { name: jaeger-grpc, appProtocol: grpc, tls: true }
  protocols.thrift_http: { name: jaeger-http, appProtocol: http, tls: true }
  protocols.thrift_compact: { name: jaeger-compact, protocol: UDP }
  protocols.thrift_binary: { name: jaeger-binary, protocol: UDP }
  remote_sampling: { name: jaeger-sampling, appProtocol: http }
{{- end -}}

{{- define "wholetrace.listener" -}}
{{- if ne (default "tcp" .section.transport) "unix" -}}
{{- $port := include "wholetrace.port" (list (printf "%s.endpoint" .key) .section.endpoint) | int -}}
{{- $listener := dict "name" (ternary (printf "port-%d" $port) .kind.name .named) "port" $port "protocol" (default "TCP" .kind.protocol) -}}
{{- with .kind.appProtocol }}{{ $_ := set $listener "appProtocol" . }}{{ end -}}
{{- $_ := set .out "ports" (append .out.ports $listener) -}}
{{- $tls := .root.Values.tls -}}
{{- if and $tls.enabled .kind.tls (not (hasKey .section "tls")) -}}
{{- $files := dict "cert_file" "/etc/wholetrace-tls/tls.crt" "key_file" "/etc/wholetrace-tls/tls.key" -}}
{{- if $tls.clientCertificates }}{{ $_ := set $files "client_ca_file" "/etc/wholetrace-tls/ca.crt" }}{{ end -}}
{{- $_ := set .section "tls" $files -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The port of an address that others reach. */ -}}
{{- define "wholetrace.port" -}}
{{- $endpoint := toString (index . 1) -}}
{{- if not (regexMatch "^(0\\.0\\.0\\.0|\\[::\\]):[1-9][0-9]*$" $endpoint) -}}
{{- fail (printf "%s is `%s`: nobody reaches that in a pod; write `0.0.0.0:PORT`" (index . 0) $endpoint) -}}
{{- end -}}
{{- regexFind "[0-9]+$" $endpoint -}}
{{- end -}}

{{- /* What the mode asks of the log. */ -}}
{{- define "wholetrace.log" -}}
{{- $root := index . 0 -}}
{{- $config := index . 1 -}}
{{- $values := $root.Values -}}
{{- $log := default dict $config.log -}}
{{- $kafka := default dict $log.kafka -}}
{{- if eq $values.mode "cluster" -}}
{{- if not $kafka.brokers }}{{ fail "mode is `cluster`: name the brokers in config.log.kafka.brokers" }}{{ end -}}
{{- $partitions := default 16 (default dict $kafka.spans).partitions | int -}}
{{- $samplers := ternary $values.sampler.keda.maxReplicas $values.sampler.replicas $values.sampler.keda.enabled -}}
{{- if gt (default 0 $samplers | int) $partitions -}}
{{- fail (printf "%v samplers share %d partitions: all above that number would have nothing to do; see config.log.kafka.spans.partitions" $samplers $partitions) -}}
{{- end -}}
{{- else if not $log.kafka -}}
{{- $embedded := default dict $log.embedded -}}
{{- $_ := set $config "log" (dict "embedded" (merge $embedded (dict "directory" (printf "%s/data" $values.standalone.persistence.mountPath)))) -}}
{{- end -}}
{{- if and $values.tls.enabled (not $values.tls.secretName) }}{{ fail "tls.enabled is set: name the secret in tls.secretName" }}{{ end -}}
{{- end -}}
