"""Faults of every kind at every call of the operator: `make test-faults`; see docs/explanation/failure-modes.md."""
