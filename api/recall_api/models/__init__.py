"""Language models: what they can do, as data, and by which name they are called."""
