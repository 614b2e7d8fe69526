{{/* Names and labels. Everything here takes the root context, or (list root component) where a component matters. */}}

{{/* <release>-<component>. Services are the strictest: 63 characters, no dot, a letter first. */}}
{{- define "kinetes.name" -}}
{{- $root := index . 0 -}}
{{- if not (regexMatch "^[a-z]([a-z0-9-]{0,47}[a-z0-9])?$" $root.Release.Name) -}}
{{- $allowed := "at most 49 lower-case letters, digits and dashes, a letter first" -}}
{{- fail (printf "the release name %q cannot name a Service: use %s" $root.Release.Name $allowed) -}}
{{- end -}}
{{- printf "%s-%s" $root.Release.Name (index . 1) -}}
{{- end -}}

{{/* The name of what is not of a namespace: two installations may share the release's name. */}}
{{- define "kinetes.clusterName" -}}
{{- printf "%s-%s" (index . 0).Release.Namespace (include "kinetes.name" .) -}}
{{- end -}}

{{/* Made by the operator, never by Helm. */}}
{{- define "kinetes.iteratorKeys" -}}
{{- include "kinetes.name" (list . "iterator-keys") -}}
{{- end -}}

{{/* What selects the pods of a component: never changed, or upgrades of a Deployment fail. */}}
{{- define "kinetes.selector" -}}
app.kubernetes.io/name: kinetes
app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "kinetes.labels" -}}
{{- $root := index . 0 -}}
{{ include "kinetes.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The head of every object: (list root component). */}}
{{- define "kinetes.metadata" -}}
name: {{ include "kinetes.name" . }}
namespace: {{ (index . 0).Release.Namespace | quote }}
labels:
  {{- include "kinetes.labels" . | nindent 2 }}
{{- end -}}

{{/* (list root image) */}}
{{- define "kinetes.image" -}}
{{- $root := index . 0 -}}
{{- printf "%s/%s:%s" $root.Values.image.registry (index . 1) ($root.Values.image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
