"""Log lines: what they look like, where they go, and what never gets into them."""
