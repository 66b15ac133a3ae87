"""Stage 2: splits to adapter."""
