{{/* What the operator may do, in three parts by where it holds. Server-side apply is `patch`, and `create` too where it
may make the object. */}}

{{/* In every namespace whose streams it manages. */}}
{{- define "kinetes.rules.streams" -}}
- apiGroups: [kinetes.dev]
  resources: [datastreams]
  verbs: [get, list, watch, patch]
- apiGroups: [kinetes.dev]
  resources: [streamconsumers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [kinetes.dev]
  resources: [datastreams/status, shards/status]
  verbs: [patch]
- apiGroups: [kinetes.dev]
  resources: [shards]
  verbs: [get, list, watch, create, patch, deletecollection]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, deletecollection]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, deletecollection]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, patch, deletecollection]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- /* Why a StatefulSet cannot create a pod is told by events alone. */}}
- apiGroups: [""]
  resources: [events]
  verbs: [list]
{{- end -}}

{{/* In the cluster: whether the CRDs are those it was built for, and whether a StorageClass exists. */}}
{{- define "kinetes.rules.cluster" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [datastreams.kinetes.dev, shards.kinetes.dev, streamconsumers.kinetes.dev]
  verbs: [get]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get]
{{- end -}}

{{/* In its own namespace: the lease of the one that works, the key of iterators (a name cannot bound `create`), the
settings of the account, and CreateStream and DeleteStream of the Kinesis API, which act there alone, and only where it manages streams. */}}
{{- define "kinetes.rules.release" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "kinetes.name" (list . "operator") }}]
  verbs: [get, update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "kinetes.iteratorKeys" . }}]
  verbs: [get]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [kinetes-account-{{ .Values.accountId }}]
  verbs: [get, patch]
{{- if or (not .Values.watchNamespaces) (has .Release.Namespace .Values.watchNamespaces) }}
- apiGroups: [kinetes.dev]
  resources: [datastreams]
  verbs: [create, delete]
{{- end }}
{{- end -}}
