{{- define "carillon.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- /* The longest name of an object has the suffix -generated. */ -}}
{{- define "carillon.fullname" -}}
{{- $name := include "carillon.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "carillon.selector" -}}
app.kubernetes.io/name: {{ include "carillon.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "carillon.labels" -}}
{{ include "carillon.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "carillon.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "carillon.secret" -}}
{{- .Values.secret.existingSecret | default (include "carillon.fullname" .) -}}
{{- end }}

{{- define "carillon.backend" -}}
{{- dig "history" "backend" "memory" .Values.config -}}
{{- end }}

{{- /* The port that the server listens on, from http.addr. */ -}}
{{- define "carillon.port" -}}
{{- dig "http" "addr" ":8080" .Values.config | toString | splitList ":" | last -}}
{{- end }}

{{- define "carillon.scheme" -}}
{{- if .Values.tls.secretName }}HTTPS{{ else }}HTTP{{ end -}}
{{- end }}

{{- /* A duration such as 1m30s in seconds, or -1 if it has another form. */ -}}
{{- define "carillon.seconds" -}}
{{- if not (regexMatch "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$" .) -}}
-1
{{- else -}}
{{- $h := regexFind "[0-9]+h" . | trimSuffix "h" | int -}}
{{- $m := regexFind "[0-9]+m" . | trimSuffix "m" | int -}}
{{- $s := regexFind "[0-9]+s" . | trimSuffix "s" | int -}}
{{- add (mul $h 3600) (mul $m 60) $s -}}
{{- end -}}
{{- end }}

{{- /* What the schema cannot check. */ -}}
{{- define "carillon.check" -}}
{{- $config := .Values.config -}}
{{- $backend := include "carillon.backend" . -}}
{{- if and (eq $backend "disk") (ne (int .Values.replicas) 1) -}}
{{- fail (printf "replicas: must be 1 with config.history.backend: disk, because each pod would have a log of its own (got %v); several pods need config.history.backend: nats" .Values.replicas) -}}
{{- end -}}
{{- if dig "history" "disk" "path" "" $config -}}
{{- fail "config.history.disk.path: must not be set; the volume is mounted at /data" -}}
{{- end -}}
{{- if dig "admin" "addr" "" $config -}}
{{- fail "config.admin.addr: must not be set; the admin listener has port 8079" -}}
{{- end -}}
{{- if dig "admin" "token" "" $config -}}
{{- fail "config.admin.token: must not be in a ConfigMap; use secret.adminToken or secret.existingSecret" -}}
{{- end -}}
{{- if dig "auth" "publish_token" "" $config -}}
{{- fail "config.auth.publish_token: must not be in a ConfigMap; use secret.publishToken or secret.existingSecret" -}}
{{- end -}}
{{- range $key := list "key" "previous_key" -}}
{{- if and (dig "auth" "jwt" $key "" $config) (eq (dig "auth" "jwt" "algorithm" "HS256" $config) "HS256") -}}
{{- fail (printf "config.auth.jwt.%s: must not be in a ConfigMap with HS256; use secretMounts and config.auth.jwt.%s_file" $key $key) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "password" "token" -}}
{{- if dig "history" "nats" $key "" $config -}}
{{- fail (printf "config.history.nats.%s: must not be in a ConfigMap; use secretMounts and config.history.nats.creds_file, or the variable CARILLON_HISTORY_NATS_%s in env" $key (upper $key)) -}}
{{- end -}}
{{- end -}}
{{- if or (dig "http" "tls" "cert_file" "" $config) (dig "http" "tls" "key_file" "" $config) -}}
{{- fail "config.http.tls: must not be set; use tls.secretName" -}}
{{- end -}}
{{- if eq (include "carillon.port" .) "8079" -}}
{{- fail "config.http.addr: must not have port 8079, which is that of the admin listener" -}}
{{- end -}}
{{- $timeout := dig "drain" "timeout" "30s" $config -}}
{{- $seconds := include "carillon.seconds" $timeout | int -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (add $seconds 5 | int) -}}
{{- fail (printf "terminationGracePeriodSeconds: must be greater than config.drain.timeout plus 5s, %ds (got %v)" (add $seconds 5 | int) .Values.terminationGracePeriodSeconds) -}}
{{- end -}}
{{- end }}
