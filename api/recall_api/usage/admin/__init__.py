"""What administrators see of spending: sums by user, and nothing of what was said."""
