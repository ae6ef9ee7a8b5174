"""Reputation-weighted Simplex as a deterministic state machine; knows no ledger, no clock and no socket."""
