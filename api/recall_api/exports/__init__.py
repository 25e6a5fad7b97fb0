"""Taking everything out: memories without loss, and the whole account."""
