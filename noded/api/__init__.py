"""The HTTP API of a node: for its clients over TCP, and for its operator on a unix socket; see README.md."""
