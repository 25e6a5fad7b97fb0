"""The Recall API: memories, recall and chat for the people who sign in to one Recall instance."""

__version__ = "0.1.0"
