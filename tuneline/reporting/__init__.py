"""A release on one page: every number that its decision rests on, and where it comes from."""
