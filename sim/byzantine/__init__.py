"""Byzantine behaviours, one a file, and the coalition of those that a run has."""

from sim.byzantine.coalition import BEHAVIOURS, Coalition

__all__ = ["BEHAVIOURS", "Coalition"]
