"""The daemon `noded`: one institution's node of a permissioned ledger for medical data."""

__version__ = "0.1.0"
