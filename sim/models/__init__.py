"""Models of what a node runs on: network, processor, disk, clock."""
