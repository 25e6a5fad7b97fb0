"""Bringing memories in: NDJSON, plain text, Markdown, and what other assistants export."""
