"""R7, R10, R20: who hears a vote first."""

from hypothesis import given
from hypothesis import strategies as st

from noded.consensus.routes import Routes
from noded.types.ids import View
from noded.types.vote import VoteKind
from tests.helpers.consensus_values import equal_set, make_set, validator_id

N, X, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE


def ids(*numbers: int) -> tuple[bytes, ...]:
    return tuple(validator_id(number) for number in numbers)


def linear(me: int, n: int = 10) -> Routes:
    return Routes(equal_set(n), validator_id(me), is_linear=True)


def test_under_all_everybody_hears_everything() -> None:
    routes = Routes(equal_set(4), validator_id(2), is_linear=False)

    everybody = ids(0, 1, 3)
    assert routes.notarize(View(1)) == everybody
    assert routes.nullify(View(1), 0) == everybody
    assert routes.finalize_again(View(1), 0) == everybody


def test_collectors_are_this_view_s_proposer_and_the_next() -> None:
    assert linear(0).notarize(View(4)) == ids(4, 5)
    assert linear(4).notarize(View(4)) == ids(5)
    assert linear(5).notarize(View(4)) == ids(4)


def test_nullifications_go_to_the_next_three_then_to_more() -> None:
    routes = linear(6)

    assert routes.nullify(View(4), 0) == ids(5, 7, 8)
    assert len(routes.nullify(View(4), 1)) == 6
    assert len(routes.nullify(View(4), 2)) == 9
    assert len(routes.nullify(View(4), 10**6)) == 9


def test_rank_is_the_place_among_the_collectors() -> None:
    assert [linear(me).relay_rank(N, View(4)) for me in (4, 5, 6, 7)] == [0, 1, 2, 3]
    assert [linear(me).relay_rank(X, View(4)) for me in (5, 6, 7, 4)] == [0, 1, 2, 3]


def test_one_that_must_propose_all_by_itself_is_found() -> None:
    shares = (1,) + (0,) * 9
    routes = Routes(make_set((1,) * 10, shares=shares, round_robin=False), validator_id(3), is_linear=True)

    assert routes.notarize(View(1)) == ids(0)
    assert len(routes.nullify(View(1), 1)) == 6


def test_an_observer_sends_to_all_validators() -> None:
    assert len(linear(99).others) == 10


@given(st.integers(0, 40), st.integers(1, 2**40), st.integers(0, 20))
def test_never_oneself_never_twice(me: int, view: int, attempt: int) -> None:
    validators = make_set(tuple(1 + number % 3 for number in range(33)), round_robin=False)
    routes = Routes(validators, validator_id(me), is_linear=True)
    for targets in (
        routes.notarize(View(view)),
        routes.nullify(View(view), attempt),
        routes.finalize_again(View(view), attempt),
    ):
        assert validator_id(me) not in targets
        assert len(dict.fromkeys(targets)) == len(targets)
        assert targets
