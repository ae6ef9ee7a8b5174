"""Byzantine behaviours, one a file: each wraps a real core and changes what it sends; it signs with its own key only."""
