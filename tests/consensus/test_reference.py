"""R7: what a block costs and how long it takes, on links of 20 to 80 ms, beside what theory and other work say."""

import pytest

from noded.types.genesis import DEFAULT_PARAMETERS, Routing
from tests.helpers.consensus_net import Net
from tests.helpers.consensus_values import make_params

WARM_MS = 1_000
"""Left out of the count: the first views have no votes of earlier ones to carry."""


def messages_a_block(n: int, routing: Routing) -> int:
    """
    What the good case takes: the proposal to everybody, and then the votes.

    Under `all` N and F go to everybody. Under `linear` N goes to two collectors, who need not send to themselves, the
    certificate is in the next proposal, and F rides on the next N.
    """
    proposal = n - 1
    return proposal + (2 * n * (n - 1) if routing is Routing.ALL else 2 * (n - 2) + 2)


@pytest.mark.parametrize(
    ("n", "routing", "seconds", "finality_ms"),
    [
        (4, Routing.ALL, 5, 145),
        (10, Routing.ALL, 5, 165),
        (10, Routing.LINEAR, 5, 260),
        (50, Routing.LINEAR, 2, 275),
        pytest.param(40, Routing.ALL, 4, 180, marks=pytest.mark.slow),
        pytest.param(200, Routing.LINEAR, 3, 280, marks=pytest.mark.slow),
    ],
)
def test_messages_and_finality_are_those_of_theory(
    n: int, routing: Routing, seconds: int, finality_ms: int
) -> None:
    params = make_params(routing=routing, delta_ms=DEFAULT_PARAMETERS.delta_ms)
    net = Net(n, params=params, delay_ms=(20, 80), verify=None)
    net.start()
    net.run(WARM_MS)
    messages, height = net.messages_count, net.min_height()
    net.run(seconds * 1_000)
    net.check()

    cost = (net.messages_count - messages) / (net.min_height() - height)
    spans = [
        at - net.hosts[number].chain[height].header.time_ms
        for (height, number), at in net.commit_times.items()
    ]
    mean_ms = sum(spans) / len(spans)
    print(f"n = {n}, {routing.name}: {cost:.1f} messages a block, final after {mean_ms:.0f} ms")
    theory = messages_a_block(n, routing)
    assert 0.97 * theory <= cost <= 1.1 * theory
    if n == 200:
        assert cost <= 620
    assert 0.85 * finality_ms <= mean_ms <= finality_ms
