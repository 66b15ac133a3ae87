"""Finding good settings by trying them: trials that share a study, pruned on validation loss."""
