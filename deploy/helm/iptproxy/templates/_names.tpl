{{- define "iptproxy.selector" -}}
app.kubernetes.io/name: iptproxy
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "iptproxy.labels" -}}
{{ include "iptproxy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "iptproxy.account" -}}
{{ .Values.serviceAccount.name | default .Release.Name }}
{{- end }}

{{- define "iptproxy.configMap" -}}
{{ .Values.config.existingConfigMap | default .Release.Name }}
{{- end }}

{{- define "iptproxy.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- define "iptproxy.container" -}}
image: {{ include "iptproxy.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - name: NODE_NAME
    valueFrom:
      fieldRef:
        fieldPath: spec.nodeName
{{- end }}
