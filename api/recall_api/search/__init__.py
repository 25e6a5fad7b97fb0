"""Recall: finding memories by words and by meaning, exactly, with an explanation for every hit."""
