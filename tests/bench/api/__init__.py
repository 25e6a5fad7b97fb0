import recall_api.search  # noqa: F401 - it says how many threads numpy has, before anything else loads numpy
