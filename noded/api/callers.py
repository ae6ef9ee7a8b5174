"""Who sends a request, and what they may do."""

from dataclasses import dataclass
from typing import Final

from noded.api.problems import NotAuthenticated, ScopeMissing
from noded.api.tokens import Scope, Token


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a request comes from."""

    name: str
    """For the log: a token's id, or where the caller stands."""
    scopes: frozenset[Scope]
    is_local: bool
    """Whether the request came through the node's own socket, by its owner or root."""

    def check(self, scope: Scope | None) -> None:
        """
        Pass if the caller may do what takes this scope; None is for local callers only.

        Raises:
            NotAuthenticated: It needs a token.
            ScopeMissing: The token is for something else.
        """
        if self.is_local or (scope is not None and scope in self.scopes):
            return
        if scope is None:
            raise ScopeMissing("this is for the socket in the node's home only")
        if self is STRANGER:
            raise NotAuthenticated(f"this needs a token with scope {scope.value}")
        raise ScopeMissing(f"this needs scope {scope.value}; the token has {', '.join(sorted(self.scopes))}")


LOCAL: Final = Caller("local", frozenset(), is_local=True)
"""Whoever may open the socket in the node's home: who owns it, or root."""

STRANGER: Final = Caller("stranger", frozenset(), is_local=False)
"""A client over TCP without a token."""


def caller_of(token: Token) -> Caller:
    """Whoever presented this token."""
    return Caller(token.id, frozenset(token.scopes), is_local=False)
