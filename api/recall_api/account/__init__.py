"""A user's account: profile, personal access tokens, export of everything, and a deletion that deletes."""
