{{- define "wholetrace.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- /* Behind it come `-sampler`, an ordinal and, in labels, a hash: 63 in all. */ -}}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "wholetrace.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "wholetrace.serviceAccountName" -}}
{{- default (ternary (include "wholetrace.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "wholetrace.configMapName" -}}
{{- default (include "wholetrace.fullname" .) .Values.existingConfigMap -}}
{{- end -}}

{{- define "wholetrace.image" -}}
{{- $image := .Values.image -}}
{{- $registry := default $image.registry .Values.global.imageRegistry -}}
{{- with $registry }}{{ . }}/{{ end -}}
{{- $image.repository }}:{{ default .Chart.AppVersion $image.tag -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- /* Takes `root` and `component`. Nothing that changes with a version: selectors cannot be changed. */ -}}
{{- define "wholetrace.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- /* Of pods: a new version of the chart alone does not roll them. */ -}}
{{- define "wholetrace.podLabels" -}}
{{ include "wholetrace.selector" . }}
app.kubernetes.io/version: {{ default .root.Chart.AppVersion .root.Values.image.tag | trunc 63 | quote }}
app.kubernetes.io/part-of: wholetrace
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "wholetrace.labels" -}}
{{ include "wholetrace.podLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- /* Takes `root`, `component` and, if it is not the release's, `suffix`. */ -}}
{{- define "wholetrace.metadata" -}}
name: {{ include "wholetrace.fullname" .root }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ include "wholetrace.namespace" .root }}
labels: {{- include "wholetrace.labels" . | nindent 2 }}
{{- end -}}

{{- /* Whole seconds of a duration such as `1m30s`, rounded up. */ -}}
{{- define "wholetrace.seconds" -}}
{{- $units := dict "ns" 0.0 "us" 0.0 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 -}}
{{- $sum := 0.0 -}}
{{- range mustRegexFindAll "[0-9.]+ *(ns|us|ms|s|m|h)" (toString .) -1 -}}
{{- $sum = addf $sum (mulf (float64 (regexFind "[0-9.]+" .)) (index $units (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- ceil $sum | int -}}
{{- end -}}

{{- /* Longer than a stop can take, by the bounds that the process sets itself: requests in flight (twice
`limits.drain_timeout`, and 5 s) before the log closes (20 s) and the rest (2 s); with samplers, what they
deliver still (25 s) in between. */ -}}
{{- define "wholetrace.grace" -}}
{{- $limits := default dict .root.Values.config.limits -}}
{{- $drain := include "wholetrace.seconds" (default "10s" $limits.drain_timeout) | int -}}
{{- $stop := 22 -}}
{{- if ne .component "sampler" }}{{ $stop = add $stop (mul 2 $drain) 5 (int .values.preStopSeconds) }}{{ end -}}
{{- if ne .component "gateway" }}{{ $stop = add $stop 25 }}{{ end -}}
{{- mul 15 (add 1 (div $stop 15)) -}}
{{- end -}}
