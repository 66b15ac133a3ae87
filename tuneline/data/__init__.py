"""Stage 1: raw files to records, cleaned, deduplicated and split without leaks."""
