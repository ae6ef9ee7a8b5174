"""Members by what people call them."""

from typing import TYPE_CHECKING

from noded.errors import NodedError

if TYPE_CHECKING:
    from noded.client.http import NodeClient


class NoSuchMember(NodedError):
    """No member, or more than one, has such an id or name."""


def member_names(node: "NodeClient") -> dict[str, str]:
    """Names of all members, past ones included, by id."""
    return {
        item["id"]: str(item["value"]["institution"]["legal_name"]) for item in node.pages("/v1/institutions")
    }


def find_member(node: "NodeClient", text: str) -> tuple[str, str]:
    """
    The id and the name of the one member, past ones included, that this is the id, the name or the beginning of.

    Raises:
        NoSuchMember: There is none, or more than one.
        NodeUnreachable, Refused: The node does not say.
    """
    names = member_names(node)
    wanted = text.casefold()
    exact = [id for id, name in names.items() if wanted in (id, name.casefold())]
    found = exact or [
        id for id, name in names.items() if id.startswith(wanted) or name.casefold().startswith(wanted)
    ]
    if len(found) == 1:
        return found[0], names[found[0]]
    if found:
        listed = ", ".join(f"{names[id]} ({id})" for id in found)
        raise NoSuchMember(f"{text!r} is more than one member: {listed}")
    raise NoSuchMember(f"{text!r} is no member's id or name; `noded query members` lists them")
