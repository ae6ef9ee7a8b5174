"""`noded demo`: the whole story on one machine, from records to proofs."""
