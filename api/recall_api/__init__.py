"""The Recall API: memories, recall and chat for the people who sign in to one Recall instance."""
