"""A whole network on one machine: homes that belong together, and real processes that run them."""
