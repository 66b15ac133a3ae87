"""Measurements of the line, with their results."""
