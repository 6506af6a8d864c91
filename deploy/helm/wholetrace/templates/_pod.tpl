{{- /*
The template of a component's pods. Takes `root`, `computed` (of wholetrace.compute), `component`, `values` (of
the component) and `args`; optionally `env`.
*/ -}}
{{- define "wholetrace.template" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $takesSpans := ne .component "sampler" -}}
metadata:
  labels:
    {{- include "wholetrace.podLabels" . | nindent 4 }}
    {{- with $values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    {{- if not $root.Values.existingConfigMap }}
    # Of all that takes effect at a start. Policies are reloaded, and roll nothing.
    checksum/config: {{ toYaml .computed.config | sha256sum }}
    {{- end }}
    {{- $monitoring := $root.Values.monitoring }}
    {{- if not (or $monitoring.serviceMonitor.enabled $monitoring.podMonitor.enabled) }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .computed.admin.port | quote }}
    prometheus.io/path: /metrics
    {{- end }}
    {{- with $values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  {{- include "wholetrace.identity" $root | nindent 2 }}
  # Longer than the stop can take.
  terminationGracePeriodSeconds: {{ default (include "wholetrace.grace" .) $values.terminationGracePeriodSeconds }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with include "wholetrace.placing" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $values.initContainers }}
  initContainers: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      {{- include "wholetrace.container" . | nindent 6 }}
      ports:
        {{- if $takesSpans }}
        {{- range .computed.ports }}
        - { name: {{ .name }}, containerPort: {{ .port }}, protocol: {{ default "TCP" .protocol }} }
        {{- end }}
        {{- end }}
        - { name: admin, containerPort: {{ .computed.admin.port }}, protocol: TCP }
      {{- include "wholetrace.probes" . | nindent 6 }}
      {{- if $values.lifecycle }}
      lifecycle: {{- toYaml $values.lifecycle | nindent 8 }}
      {{- else if $takesSpans }}
      lifecycle:
        # Endpoints are withdrawn while the process stops, not before: until all have heard of it
        # it goes on taking requests.
        preStop: { sleep: { seconds: {{ $values.preStopSeconds }} } }
      {{- end }}
    {{- with $values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- include "wholetrace.volumes" . | nindent 2 }}
{{- end -}}

{{- define "wholetrace.identity" -}}
serviceAccountName: {{ include "wholetrace.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{- define "wholetrace.placing" -}}
{{- $values := .values -}}
{{- if $values.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
{{- else if ne .component "standalone" }}
{{- $selector := include "wholetrace.selector" . }}
# Losing a node or a zone takes few of them.
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- $selector | nindent 8 }}
  {{- end }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "wholetrace.container" -}}
{{- $root := .root -}}
{{- $values := .values -}}
image: {{ include "wholetrace.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: {{- toYaml (concat .args (default list $values.extraArgs)) | nindent 2 }}
{{- if eq .component "standalone" }}
# Relative paths of the configuration, such as that of a file exporter, are on the volume.
workingDir: {{ $values.persistence.mountPath }}
{{- end }}
{{- with concat (default list .env) $root.Values.extraEnv (default list $values.extraEnv) }}
env: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat $root.Values.extraEnvFrom (default list $values.extraEnvFrom) }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
resources: {{- toYaml $values.resources | nindent 2 }}
securityContext: {{- toYaml $root.Values.securityContext | nindent 2 }}
volumeMounts:
  # A folder, and no subPath: a changed ConfigMap shall reach a running process.
  - { name: config, mountPath: /etc/wholetrace, readOnly: true }
  {{- if eq .component "standalone" }}
  - { name: data, mountPath: {{ $values.persistence.mountPath }} }
  {{- end }}
  {{- if $root.Values.tls.enabled }}
  - { name: tls, mountPath: /etc/wholetrace-tls, readOnly: true }
  {{- end }}
  {{- range $name, $secret := $root.Values.secretMounts }}
  - { name: secret-{{ $name }}, mountPath: /etc/wholetrace-secrets/{{ $name }}, readOnly: true }
  {{- end }}
  {{- with concat $root.Values.extraVolumeMounts (default list $values.extraVolumeMounts) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "wholetrace.probes" -}}
{{- $get := dict "port" "admin" -}}
{{- if ne .computed.admin.scheme "HTTP" }}{{ $_ := set $get "scheme" .computed.admin.scheme }}{{ end -}}
{{- $alive := dict "httpGet" (merge (dict "path" "/livez") $get) -}}
{{- $ready := dict "httpGet" (merge (dict "path" "/readyz") $get) -}}
startupProbe: {{- toYaml (default (merge (dict "periodSeconds" 2 "failureThreshold" 30) $alive) .values.startupProbe) | nindent 2 }}
# A restart would not bring brokers or a backend back: it does not depend on them.
livenessProbe: {{- toYaml (default (merge (dict "periodSeconds" 10 "failureThreshold" 6) $alive) .values.livenessProbe) | nindent 2 }}
# Of what takes spans: whether it can answer, be it by refusing. Of a sampler: whether it has joined the group.
readinessProbe: {{- toYaml (default (merge (dict "periodSeconds" 2 "failureThreshold" 2) $ready) .values.readinessProbe) | nindent 2 }}
{{- end -}}

{{- define "wholetrace.volumes" -}}
{{- $root := .root -}}
{{- $values := .values -}}
volumes:
  - { name: config, configMap: { name: {{ include "wholetrace.configMapName" $root }} } }
  {{- if eq .component "standalone" }}
  {{- with $values.persistence }}
  {{- if not .enabled }}
  - { name: data, emptyDir: {} }
  {{- else if .existingClaim }}
  - { name: data, persistentVolumeClaim: { claimName: {{ .existingClaim }} } }
  {{- end }}
  {{- end }}
  {{- end }}
  {{- with $root.Values.tls }}
  {{- if .enabled }}
  - { name: tls, secret: { secretName: {{ .secretName }}, defaultMode: 0440 } }
  {{- end }}
  {{- end }}
  {{- range $name, $secret := $root.Values.secretMounts }}
  - { name: secret-{{ $name }}, secret: { secretName: {{ $secret }}, defaultMode: 0440 } }
  {{- end }}
  {{- with concat $root.Values.extraVolumes (default list $values.extraVolumes) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
