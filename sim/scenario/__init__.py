"""Scenarios: what a simulation simulates, as TOML with a schema."""
