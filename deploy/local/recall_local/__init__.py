"""The local stack: a whole Recall, cluster and AWS included, on one machine."""
