"""Blocks above the last final one, and those just below it that late votes may still name."""

from enum import IntEnum

from noded.types.block import Block, BlockKind
from noded.types.ids import BlockHash, Height, View

LATE_VIEWS = 16
"""Views for which a late vote may be credited (R17)."""


class Status(IntEnum):
    """How far this node has judged a block."""

    NEW = 0
    CHECKING = 1
    """The payload is being judged."""
    VALID = 2
    INVALID = 3


class Entry:
    """A block with this node's judgement and its place in the tree."""

    __slots__ = ("block", "hash", "is_stored", "known_from", "parent", "status", "view")

    def __init__(self, block: Block, view: View, parent: "Entry | None") -> None:
        self.block = block
        self.hash = block.hash
        self.view = view
        """The header's view; 0 for the epoch's genesis block, whatever its own epoch's view was."""
        self.parent = parent
        """None where it is unknown, or was forgotten as too old."""
        self.status = Status.NEW
        self.is_stored = False
        """Whether it was persisted."""
        first_known = View(block.header.parent_view + 1) if view else view
        self.known_from: View = first_known if parent is None else parent.known_from
        """All ancestors with at least this view are known."""

    @property
    def height(self) -> Height:
        """The block's height."""
        return self.block.header.height

    def is_urgent_parent(self) -> bool:
        """Whether the chain owes a block on top: the state it left, or the epoch's end, is not certified (R12)."""
        body = self.block.body
        return bool(body.payload or body.evidence) or self.block.header.kind is not BlockKind.NORMAL

    def lacks_history(self, view: View) -> bool:
        """Whether ancestors from `view` on are unknown."""
        return view < self.known_from

    def oldest_known(self) -> "Entry":
        """The oldest ancestor at hand, or this block itself."""
        oldest = self
        while oldest.parent is not None:
            oldest = oldest.parent
        return oldest


class BlockTree:
    """Blocks by hash; the root is the last final block."""

    __slots__ = ("entries", "final", "orphans")

    def __init__(self, genesis_block: Block) -> None:
        self.final = Entry(genesis_block, View(0), None)
        """The last final block of this epoch, or the epoch's genesis block."""
        self.final.status = Status.VALID
        self.final.is_stored = True
        self.entries: dict[BlockHash, Entry] = {self.final.hash: self.final}
        self.orphans: dict[BlockHash, list[Entry]] = {}
        """Blocks whose parent is unknown, by the parent's hash."""

    def get(self, block_hash: BlockHash | None) -> Entry | None:
        """The entry of a block, if it is known."""
        return None if block_hash is None else self.entries.get(block_hash)

    def insert(self, block: Block) -> Entry:
        """Add a block, unless it is known; its hash must be warranted by a certificate or its proposer."""
        known = self.entries.get(block.hash)
        if known is not None:
            return known
        header = block.header
        parent = self.entries.get(header.parent_hash)
        entry = Entry(block, header.view, parent)
        self.entries[entry.hash] = entry
        if parent is None:
            self.orphans.setdefault(header.parent_hash, []).append(entry)
        for child in self.orphans.pop(entry.hash, ()):
            child.parent = entry
            self._learn(child)
        return entry

    def _learn(self, entry: Entry) -> None:
        """The history of an entry grew; so did that of all above it."""
        grown = [entry]
        while grown:
            current = grown.pop()
            assert current.parent is not None
            current.known_from = current.parent.known_from
            grown.extend(other for other in self.entries.values() if other.parent is current)

    def unfinalized_ancestors(self, entry: Entry) -> tuple[Block, ...] | None:
        """The blocks between `entry` and the final one, parent first; None if one is unknown."""
        ancestors = []
        final = self.final
        parent = entry.parent
        while parent is not final:
            if parent is None or parent.view <= final.view:
                return None
            ancestors.append(parent.block)
            parent = parent.parent
        return tuple(ancestors)

    def finalize(self, entry: Entry) -> None:
        """Make `entry` the root."""
        self.final = entry

    def forget(self) -> None:
        """Drop the rivals of the root and what is too old."""
        final_view = self.final.view
        floor = final_view - LATE_VIEWS
        keep: dict[BlockHash, Entry] = {}
        ancestor: Entry | None = self.final
        while ancestor is not None and ancestor.view >= floor:
            keep[ancestor.hash] = ancestor
            last = ancestor
            ancestor = ancestor.parent
        last.parent = None
        for block_hash, other in self.entries.items():
            if other.view > final_view and block_hash not in keep:
                keep[block_hash] = other
        self.entries = keep
        if self.orphans:
            self.orphans = {
                parent: alive
                for parent, children in self.orphans.items()
                if (alive := [child for child in children if child.hash in keep])
            }

    def reset(self, block: Block) -> Entry:
        """Make a block final whose ancestors need not be known here: block sync committed it."""
        entry = self.insert(block)
        entry.status = Status.VALID
        self.finalize(entry)
        return entry
