"""The RecallInstance resource: pydantic models that are the one source of the CRD and of what the operator reads."""
