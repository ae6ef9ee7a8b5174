"""
`doctor`: what is wrong with a node, and the way out of it; whether the node runs or not.

A running node is asked over the socket in its home; of a stopped one, its files are looked at.
"""

import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from noded.client.answers import NodeUnreachable, Refused
from noded.client.http import NodeClient
from noded.config import InvalidConfig, NodeConfig, load
from noded.errors import ConfigError, StorageError
from noded.network.addresses import parse_address
from noded.ops.checkpoint import parse_checkpoint
from noded.ops.doctor_machine import can_connect, check_machine
from noded.ops.findings import Finding, fail, ok, warn
from noded.ops.founding import read_genesis
from noded.ops.home import STORE_NAME
from noded.ops.rows import read_header
from noded.storage.lock import is_in_use
from noded.storage.sqlite import open_reader
from noded.types.genesis import Genesis

ANSWER_S: Final = 5.0
"""For the node: one that takes longer is hung, as far as its operator is concerned."""

DIAL_S: Final = 2.0
"""For a member's address."""

DIALLED_MAX: Final = 32
"""Members whose addresses are tried when the node does not run; a minute if none answers."""

OTHER_CHAIN: Final = frozenset({"WrongChain"})
OTHER_VERSION: Final = frozenset({"WrongProtocolVersion"})
"""Names of the faults by which connections end; see `noded.network.faults`."""


def examine(home: Path, environment: dict[str, str], *, now_ms: int | None = None) -> list[Finding]:
    """Every check that can be made, worst news not first but in the order of what builds on what."""
    if not home.is_dir():
        return [fail("home", f"{home} is no folder", "give --home, or make one with `noded init`")]
    try:
        config = load(home, environment)
    except InvalidConfig as error:
        return [
            fail("config", str(problem), "correct it; `noded config validate` checks again")
            for problem in error.problems
        ]
    findings = [ok("config", "the settings are good")]
    try:
        is_running = is_in_use(home)
    except StorageError as error:
        return [*findings, fail("home", str(error), "run this as the node's user")]
    findings += check_machine(config, is_running=is_running)
    try:
        genesis = read_genesis(config.path(config.node.genesis))
    except ConfigError as error:
        return [*findings, fail("genesis", str(error), "copy the consortium's genesis file there")]
    findings.append(ok("genesis", f"chain {genesis.chain_id.hex()}, {genesis.name!r}"))
    moment_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    findings += _check_store(config, genesis, moment_ms)
    if is_running:
        findings += _ask_node(home)
    else:
        findings += [warn("node", "it does not run", "start it: `systemctl start noded` or `noded start`")]
        findings.append(_check_reach(genesis, config))
    return findings


def _check_store(config: NodeConfig, genesis: Genesis, now_ms: int) -> list[Finding]:
    """Whether the store opens, is this chain's, has the checkpoint, and is not from the future."""
    store = config.home / STORE_NAME
    if not store.exists():
        return [warn("store", "there is none yet", "start the node, or restore a snapshot to be faster")]
    try:
        with closing(open_reader(store)) as reader:
            tip = reader.tip()
            header = None if tip is None else read_header(reader, tip.height)
            checkpoint = parse_checkpoint(config.node.checkpoint)
            pinned = None if checkpoint is None else reader.block(checkpoint.height)
    except StorageError as error:
        return [fail("store", str(error), "see the message; `noded db check` tells more")]
    if header is None:
        return [warn("store", "it has no block", "start the node")]
    if header.chain_id != genesis.chain_id:
        return [
            fail(
                "store",
                f"it is of chain {header.chain_id.hex()}, the genesis file founds {genesis.chain_id.hex()}",
                "put the genesis file of this home's chain back, or use another home",
            )
        ]
    findings = [ok("store", f"height {header.height}, epoch {header.epoch}")]
    if checkpoint is not None and pinned is not None:
        findings.append(
            ok("checkpoint", f"block {checkpoint.height} is the pinned one")
            if pinned.hash == checkpoint.hash
            else fail(
                "checkpoint",
                f"block {checkpoint.height} is {pinned.hash.hex()}, not the pinned {checkpoint.hash.hex()}",
                "find out which is of the consortium's chain, then restore a snapshot of that one",
            )
        )
    drift_ms = genesis.parameters.drift_ms
    ahead_ms = header.time_ms - now_ms
    findings.append(
        fail(
            "clock",
            f"the last block is from {ahead_ms / 1000:.1f} s in the future, at most {drift_ms / 1000:.1f} is tolerated",
            "set this machine's clock, and keep it right with chrony or systemd-timesyncd",
        )
        if ahead_ms > drift_ms
        else ok("clock", f"the last block is {-ahead_ms / 1000:.1f} s old by this clock")
    )
    return findings


def _ask_node(home: Path) -> list[Finding]:
    """How the running node stands, by its own word."""
    try:
        with NodeClient.in_home(home, timeout_s=ANSWER_S) as node:
            status, peers = node.get("/v1/status"), node.get("/v1/peers")
    except (NodeUnreachable, Refused) as error:
        return [
            fail(
                "node",
                f"it runs, but does not answer: {error}",
                "see its log; restart it, systemd's watchdog would",
            )
        ]
    return [
        ok("node", f"it runs, version {status['version']}"),
        *judge_status(status["status"]),
        *judge_peers(peers),
    ]


def judge_status(status: dict[str, Any]) -> list[Finding]:
    """Whether node and chain go on, and who is missing if not."""
    findings = []
    if status["halted"]:
        findings.append(
            fail(
                "votes",
                f"this node halted: {status['halted']}",
                "run `noded db check`; then `noded db rollback`, or restore a snapshot, with the members' program version",
            )
        )
    elif status["silence"]:
        findings.append(warn("votes", f"it does not vote: {status['silence']}", "wait, or do what it says"))
    else:
        findings.append(ok("votes", "this node votes"))
    if status["clock"]:
        findings.append(fail("node-clock", status["clock"], "keep it right with chrony or systemd-timesyncd"))
    behind = status["finalized_height"] - status["height"]
    findings.append(
        warn(
            "sync",
            f"{behind} blocks behind what is final",
            "wait; if it does not shrink, see peers and fsync",
        )
        if status["syncing"] or behind > 0
        else ok("sync", f"height {status['height']} is the last final one known")
    )
    if status["standing"]:
        away = [each["id"] for each in status["validators"] if not each["connected"]]
        silent = [each["id"] for each in status["validators"] if each["connected"] and not each["voted"]]
        named = "; ".join(
            f"{what}: {', '.join(ids)}"
            for what, ids in (("not connected", away), ("no vote from", silent))
            if ids
        )
        findings.append(
            fail(
                "chain",
                f"it stands: {status['standing']}" + (f" ({named})" if named else ""),
                "call the operators of the members named; power above two thirds must be connected",
            )
        )
    else:
        findings.append(ok("chain", f"the last block is {status['block_age_ms'] / 1000:.1f} s old"))
    return findings


def judge_peers(peers: list[dict[str, Any]]) -> list[Finding]:
    """Whether the members can be reached, and agree on chain and version."""
    findings = []
    strangers = [each for each in peers if each["last_fault"] in OTHER_CHAIN and not each["connected"]]
    if strangers:
        findings.append(
            fail(
                "genesis-of-peers",
                f"of another chain: {', '.join(each['institution'] for each in strangers)}",
                "compare `noded genesis show` with these members; one of you has another genesis file",
            )
        )
    else:
        findings.append(ok("genesis-of-peers", "no member has another genesis document"))
    others = [each for each in peers if each["last_fault"] in OTHER_VERSION and not each["connected"]]
    if others:
        named = ", ".join(each["institution"] for each in others)
        findings.append(fail("version-of-peers", f"another protocol: {named}", "upgrade whoever is behind"))
    away = [each for each in peers if not each["connected"]]
    if not away:
        findings.append(ok("peers", f"all {len(peers)} are connected"))
        return findings
    told = ", ".join(f"{each['institution']} ({each['last_fault'] or 'never seen'})" for each in away)
    say = fail if len(away) == len(peers) else warn
    findings.append(
        say(
            "peers",
            f"{len(away)} of {len(peers)} are not connected: {told}",
            "check firewall and addresses; `noded peers` has the details, then call their operators",
        )
    )
    return findings


def _check_reach(genesis: Genesis, config: NodeConfig) -> Finding:
    """Whether anything answers at the members' founding addresses; later ones only a running node knows."""
    own = config.network.listen
    addresses = [
        endpoint
        for institution in genesis.institutions
        for endpoint in institution.endpoints
        if endpoint != own
    ][:DIALLED_MAX]
    if not addresses:
        return ok("reach", "the genesis document has no addresses of other members")
    unreachable = [
        address for address in addresses if can_connect(parse_address(address), DIAL_S) is not None
    ]
    if not unreachable:
        return ok("reach", f"all {len(addresses)} founding addresses answer")
    return warn(
        "reach",
        f"no answer at {', '.join(unreachable)}",
        "check network and firewall; members may have moved, which the ledger tells once the node runs",
    )
