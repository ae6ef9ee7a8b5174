"""The Trio shell: drives one node over network, log, store and clock."""

from noded.loading import without

# They come for tracebacks in colour and for a web server, which a node does not have: 4 MB, and a twentieth of its start.
with without("rich", "http.server", "urllib.request", "wsgiref.simple_server"):
    import prometheus_client  # noqa: F401
    import structlog  # noqa: F401
