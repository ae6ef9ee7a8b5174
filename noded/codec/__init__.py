"""Bytes to values and back: deterministic CBOR with a limit on everything."""
