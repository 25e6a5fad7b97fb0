"""Kubernetes as the operator sees it: one door, what watches told, events, and the Lease."""
