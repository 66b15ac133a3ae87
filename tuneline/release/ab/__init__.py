"""Online A/B tests: who sees which version, what came of it, and what follows from it."""
