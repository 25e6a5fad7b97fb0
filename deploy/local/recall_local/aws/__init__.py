"""The emulated AWS of a local stack: how it runs, what it logs, and what is made in it once per account."""
