"""The parts of an instance, one module each, all of the protocol in `part`."""
