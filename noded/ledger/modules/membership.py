"""Members, their keys, and what they decide by vote."""

from noded.ledger.dispatch import Handlers

HANDLERS: Handlers = {}
