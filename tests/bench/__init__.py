"""Measurements; nothing here is asserted. `make bench` runs them and leaves JSON in build/bench/."""
