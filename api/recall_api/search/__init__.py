"""Recall: finding memories by words and by meaning, exactly, with an explanation for every hit."""

import os

# Before numpy is loaded: OpenBLAS's threads wait for each other, so that on busy processors one alone is several times
# as fast (measured at 10,000 memories: 4 ms against 22 ms), and a pod has about one processor anyway.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
