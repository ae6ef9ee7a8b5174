"""Root leaves nothing in a node's home that the node's user cannot read."""

import os
from pathlib import Path

import pytest

from noded.cli.ownership import give_back
from tests.helpers.command import Captured, told

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

NODE = 61_184
"""The first of the users that systemd makes for services."""


def make_home(path: Path) -> Path:
    home = path / "home"
    (home / "keys").mkdir(parents=True)
    os.chown(home, NODE, NODE)
    return home


def test_files_and_folders_go_to_the_owner_of_the_home(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    (home / "keys" / "new.key").touch()
    link = tmp_path / "link"  # As systemd makes of /var/lib/noded.
    link.symlink_to(home)

    give_back(link)

    assert [each.stat().st_uid for each in (home / "keys", home / "keys" / "new.key")] == [NODE, NODE]


def test_links_and_what_is_others_is_left_alone(tmp_path: Path) -> None:
    home, outside = make_home(tmp_path), tmp_path / "shadow"
    outside.touch()
    (home / "soft").symlink_to(outside)
    os.link(outside, home / "hard")
    (home / "other").touch()
    os.chown(home / "other", 4711, 4711)

    give_back(home)

    assert outside.stat().st_uid == 0
    assert (home / "other").stat().st_uid == 4711


def test_a_home_of_roots_own_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()

    give_back(tmp_path)

    assert (tmp_path / "lock").stat().st_uid == 0


def test_commands_do_it(tmp_path: Path, capsys: Captured) -> None:
    home = tmp_path / "home"
    told(
        capsys, "init", "--home", home, "--name", "A", "--role", "lab", "--jurisdiction", "DE", "--unencrypted"
    )  # fmt: skip
    for path in (home, *home.rglob("*")):
        os.chown(path, NODE, NODE)

    told(capsys, "keys", "generate", "spare", "--home", home)

    assert {path.stat().st_uid for path in home.rglob("*")} == {NODE}
