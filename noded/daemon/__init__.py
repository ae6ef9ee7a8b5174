"""The Trio shell: drives one node over network, log, store and clock."""
