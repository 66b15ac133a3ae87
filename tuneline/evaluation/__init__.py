"""Stage 3: adapter to report."""
