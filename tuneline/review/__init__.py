"""People compare answers without knowing whose they are; a judge model is held against them."""
