"""Stage 5: reports to decisions. Pure functions; no server."""
