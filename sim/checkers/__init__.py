"""Checkers: each claims one thing about a run, and watches until it is over."""

from sim.checkers.accountability import Accountability
from sim.checkers.agreement import Agreement
from sim.checkers.base import Checker, Context, Violation
from sim.checkers.certificates import Certificates
from sim.checkers.durability import Durability
from sim.checkers.health import Health
from sim.checkers.liveness import Liveness
from sim.checkers.monotony import Monotony
from sim.checkers.peace import Peace
from sim.checkers.prefix import Prefix
from sim.checkers.queues import Queues
from sim.checkers.starvation import Starvation
from sim.checkers.validity import Validity
from sim.checkers.votes import SingleVotes

CHECKERS: tuple[type[Checker], ...] = (
    Agreement,
    Prefix,
    Certificates,
    SingleVotes,
    Validity,
    Monotony,
    Durability,
    Liveness,
    Queues,
    Starvation,
    Accountability,
    Peace,
    Health,
)
"""All of them, in the order in which they are asked."""

__all__ = ["CHECKERS", "Checker", "Context", "Violation"]
