"""The Recall operator: keeps every RecallInstance and its parts on AWS true to its manifest."""
