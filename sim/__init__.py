"""The simulator: hundreds of the nodes that `noded` runs, under virtual time."""
