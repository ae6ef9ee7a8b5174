"""The Trio shell: drives one node over network, log, store and clock."""

from noded.loading import without

with without({"rich": None}):  # For tracebacks as the log does not have them: 3 MB, and 50 ms of every start.
    import structlog  # noqa: F401
