"""Chat for programs that speak OpenAI's chat completions: another door to the same service, nothing of its own."""
