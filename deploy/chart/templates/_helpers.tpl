{{- define "recall-operator.labels" -}}
app.kubernetes.io/name: recall-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: recall
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "recall-operator.selector" -}}
app.kubernetes.io/name: recall-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What the operator may do in the namespaces that it looks after: each verb once, with why. Alphabetical by group. */}}
{{- define "recall-operator.rules" -}}
# Service accounts, configuration and Services of the API: get to compare, create and patch to apply (a server-side
# apply of something new asks for both), delete with the instance, list and watch to mend what others change.
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [create, delete, get, list, patch, watch]
# The API's pods, for the same reasons.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [create, delete, get, list, patch, watch]
# How many pods the autoscaler may run (spec.api.autoscaling), for the same reasons.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [create, delete, get, list, patch, watch]
# The API's way in where spec.api.route is HTTPRoute: not watched, as many clusters do not have the kind.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [create, delete, get, patch]
# The API's way in, for the same reasons, whose status names the load balancer; and who may reach the pods
# (spec.api.networkPolicy).
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [create, delete, get, list, patch, watch]
# What people see in `kubectl describe`: create for the first time, patch to count. (A server-side apply asks for both.)
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# How many pods may be missing during a drain, for the same reasons.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, delete, get, list, patch, watch]
# Backups: get, list and watch to read them, patch only for the finalizer. Never created or deleted by the operator.
- apiGroups: [recall.kug.la]
  resources: [recallbackups]
  verbs: [get, list, patch, watch]
# What became of them.
- apiGroups: [recall.kug.la]
  resources: [recallbackups/status]
  verbs: [patch]
# Instances: get, list and watch to read them, patch only for the finalizer, delete only those whose spec.expiresAfter is
# over. Never created by the operator.
- apiGroups: [recall.kug.la]
  resources: [recallinstances]
  verbs: [delete, get, list, patch, watch]
# What the operator found.
- apiGroups: [recall.kug.la]
  resources: [recallinstances/status]
  verbs: [patch]
{{- end }}
