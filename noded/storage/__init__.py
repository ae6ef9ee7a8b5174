"""What a node keeps on disk: the store, the write-ahead log, the lock on its home."""
