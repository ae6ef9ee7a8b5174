"""Clients: when they submit, what they submit, and what becomes of it."""
