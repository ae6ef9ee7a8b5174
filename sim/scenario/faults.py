"""What goes wrong, and when."""

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.values import Duration, Probability, Section, Selector, SignedDuration
from sim.units import NS_PER_UNIT

DiskFate = Literal["kept", "torn", "lost"]
"""
What a crash leaves on disk: "kept": what was durable, and of the last write all or nothing; "torn": what was durable,
and a beginning of the last write, torn inside a record; "lost": nothing.
"""


class _Spanned(Section):
    at: Duration
    """When it begins."""
    span: Annotated[Duration, Field(alias="for")]
    """How long it lasts."""


class Crash(Section):
    """The process is killed, and started again if `restart_after` is given."""

    kind: Literal["crash"]
    at: Duration
    nodes: Selector
    restart_after: Duration | None = None
    """None: the node stays down until everything heals."""
    disk: DiskFate = "kept"


class Pause(_Spanned):
    """The process stands still, as under SIGSTOP: inputs wait, peers see silence."""

    kind: Literal["pause"]
    nodes: Selector


class Partition(_Spanned):
    """Groups of nodes do not hear each other."""

    kind: Literal["partition"]
    groups: Annotated[list[list[str | int]], Field(min_length=2)]
    """Each a list of selectors; "*" takes the rest. Nodes in no group hear everybody."""
    symmetric: bool = True
    """False: the first group is heard by nobody else, and hears all."""


class Loss(_Spanned):
    """Messages vanish."""

    kind: Literal["loss"]
    rate: Probability
    nodes: Selector = "*"
    """Senders."""


class Duplicate(_Spanned):
    """Messages arrive twice."""

    kind: Literal["duplicate"]
    rate: Probability
    nodes: Selector = "*"
    """Senders."""
    by: Duration = 10 * NS_PER_UNIT["ms"]
    """Up to how much later the copy comes."""


class Reorder(_Spanned):
    """Messages overtake each other."""

    kind: Literal["reorder"]
    rate: Probability
    nodes: Selector = "*"
    """Senders."""
    by: Duration
    """Up to how much a delayed message comes later."""


class SlowDisk(_Spanned):
    """An fsync takes longer."""

    kind: Literal["slow-disk"]
    nodes: Selector
    fsync: Duration


class SlowLink(_Spanned):
    """Everything to and from these nodes takes longer."""

    kind: Literal["slow-link"]
    nodes: Selector
    delay: Duration
    """Added to each message."""


class Skew(Section):
    """Clocks jump, and drift from then on."""

    kind: Literal["skew"]
    at: Duration
    nodes: Selector
    offset: SignedDuration
    drift_ppm: Annotated[float, Field(ge=-10_000, le=10_000)] = 0.0
    """Microseconds a second."""


class Churn(_Spanned):
    """Nodes of a pool crash and come back all the time, one after another."""

    kind: Literal["churn"]
    nodes: Selector
    every: Duration
    """Mean time between two crashes."""
    down: Duration
    """Mean time until a crashed node is started again."""
    disk: DiskFate = "kept"


Fault = Annotated[
    Crash | Pause | Partition | Loss | Duplicate | Reorder | SlowDisk | SlowLink | Skew | Churn,
    Field(discriminator="kind"),
]
