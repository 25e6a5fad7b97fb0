"""Memories: short texts that a user wants remembered."""
