"""AWS as the operator sees it: one door, what its answers are remembered by, and batches of records."""
