"""The tour of a running stack: what a person and a platform engineer would do, checked at every step."""
