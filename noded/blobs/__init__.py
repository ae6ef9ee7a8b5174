"""Encrypted records at their custodian: content-addressed ciphertext, its keys, and serving it against a permit."""
