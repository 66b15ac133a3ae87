"""Files of any known container and format to records; rows that are no record become drops."""
