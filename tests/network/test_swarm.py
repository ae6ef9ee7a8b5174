"""The network over libp2p between honest nodes."""

from noded.network import Lane
from tests.helpers.networking import consortium


async def test_messages_arrive_in_order_on_each_lane() -> None:
    async with consortium(2) as (one, two):
        sent = [(one.info.peer, lane, bytes([number])) for number in range(100) for lane in Lane]
        for _, lane, payload in sent:
            assert one.network.send(two.info.peer, lane, payload)
        await two.handler.until_messages(len(sent))

    for lane in Lane:
        assert [m for m in two.handler.messages if m[1] is lane] == [m for m in sent if m[1] is lane]
