"""`trilift view`: a local page on which one's own photographs become heads that turn."""
