"""Cleaning: one record at a time, mended, redacted, reported or dropped by named rules."""
