"""The Kubernetes cluster under the stack: one of its own without Docker, kind, or one that exists."""
