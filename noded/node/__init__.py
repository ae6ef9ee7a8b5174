"""Consensus, mempool, block sync and ledger behind one `step(input, now_ms) -> effects`."""
