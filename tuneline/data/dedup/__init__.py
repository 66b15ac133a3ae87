"""Records that say the same: exactly, nearly, or in other words."""
