"""Talking to a language model that is given the memories that matter, as data, and says which it used."""
