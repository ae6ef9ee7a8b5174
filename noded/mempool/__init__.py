"""Transactions on their way into blocks: admission, batches, and which of them a proposer may name."""
