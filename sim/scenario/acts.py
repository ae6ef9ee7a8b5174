"""What institutions do on the ledger, besides what their clients do, and when."""

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.values import Duration, Section, Selector


class Admit(Section):
    """
    The voters put somebody forward and vote for it, and it enters a table as soon as it may.

    Who is admitted without having been removed before was no founder.
    """

    kind: Literal["admit"]
    at: Duration
    nodes: Selector
    voters: Selector = "*"


class Remove(Section):
    """The voters propose to remove somebody, and vote for it."""

    kind: Literal["remove"]
    at: Duration
    nodes: Selector
    voters: Selector = "*"


class Serve(Section):
    """
    Every reader reads a record that each of these nodes keeps, again and again, and confirms it: attestations.

    Each of these nodes has a patient for each reader, who consents to that.
    """

    kind: Literal["serve"]
    at: Duration
    span: Annotated[Duration, Field(alias="for")]
    nodes: Selector
    """The custodians."""
    readers: Selector
    every: Duration = 5_000_000_000
    is_readable: bool = True
    """False: readers say that they could not read it, and have a vote of all uphold this."""


Act = Annotated[Admit | Remove | Serve, Field(discriminator="kind")]

PARTIES = ("nodes", "voters", "readers")
"""Keys whose values are selectors."""
