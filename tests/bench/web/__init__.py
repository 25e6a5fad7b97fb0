"""Figures of the web app in a browser, each in a key of its own in `build/bench/web.json`."""
