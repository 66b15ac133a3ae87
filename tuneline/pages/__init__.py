"""What all HTML pages share: one file each, no request, no script, any text escaped."""
