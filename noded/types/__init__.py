"""Nouns of the protocol: frozen values without policy, shared by consensus and ledger."""
