"""Proof that the rights of the operator and of the API are enough, and that none of them is too many."""
