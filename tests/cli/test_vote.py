"""`noded vote`: what is put to the vote, as people read it."""

import pytest

from noded.cli.vote import _said
from noded.codec.json_form import choice_to_json
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import Epoch, InstitutionId
from noded.types.medical import RequestId
from noded.types.operations.membership import (
    ACTIONS,
    Action,
    Admit,
    CloseEpoch,
    Reinstate,
    Remove,
    SetParameters,
    Uphold,
)

LAB = InstitutionId(b"l" * 16)


@pytest.mark.parametrize(
    ("action", "name", "said"),
    [
        (Admit(institution=LAB), "Lab", "admit Lab"),
        (Remove(institution=LAB), "Lab", "remove Lab"),
        (Reinstate(institution=LAB), "Lab", "reinstate Lab"),
        (CloseEpoch(epoch=Epoch(7)), None, "end epoch 7"),
        (SetParameters(parameters=DEFAULT_PARAMETERS), None, "new network parameters"),
        (Uphold(request=RequestId(b"r" * 16)), None, f"uphold the dispute of release {'72' * 16}"),
    ],
)
def test_a_proposal_says_what_it_would_do(action: Action, name: str | None, said: str) -> None:
    """In the very form in which the node's answers have it."""
    assert _said({"action": choice_to_json(ACTIONS, action), "name": name}) == said
