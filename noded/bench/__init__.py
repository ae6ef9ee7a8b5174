"""Figures of real nodes on this machine, under a load that does not wait for them."""
