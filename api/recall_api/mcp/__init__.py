"""Memories for programs that speak the Model Context Protocol: four tools over the services that are there."""
