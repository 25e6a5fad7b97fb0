"""What requests to AWS and to Kubernetes have in common: who asks, how fast, how late they may take effect."""
