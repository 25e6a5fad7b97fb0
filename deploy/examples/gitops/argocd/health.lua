-- Argo CD's health of a RecallInstance. Goes into the ConfigMap argocd-cm under
-- resource.customizations.health.recall.kug.la_RecallInstance (see argocd-cm.yaml, which holds the same text).
local function condition(kind)
  for _, item in ipairs(obj.status.conditions or {}) do
    if item.type == kind then
      return item
    end
  end
  return {}
end

if obj.metadata.deletionTimestamp ~= nil and obj.status == nil then
  return { status = "Progressing", message = "Being deleted" }
end
if obj.status == nil or obj.status.observedGeneration == nil then
  return { status = "Progressing", message = "Waiting for the operator" }
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the operator to see the new spec" }
end
local stalled, ready = condition("Stalled"), condition("Ready")
if stalled.status == "True" then
  return { status = "Degraded", message = stalled.message }
end
for _, kind in ipairs({ "Paused", "DryRun" }) do
  if condition(kind).status == "True" then
    return { status = "Suspended", message = condition(kind).message }
  end
end
if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "Being deleted" }
end
if ready.status == "True" and ready.observedGeneration == obj.metadata.generation then
  return { status = "Healthy", message = ready.message }
end
if ready.status == "False" then
  return { status = "Degraded", message = ready.message }
end
return { status = "Progressing", message = ready.message or "Waiting for the operator" }
