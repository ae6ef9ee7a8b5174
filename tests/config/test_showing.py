import json
import tomllib
from pathlib import Path

import pytest

from noded.config import (
    CONFIG_NAME,
    Change,
    InvalidConfig,
    NodeConfig,
    diff,
    load,
    load_text,
    reload,
    schema,
    show,
)

HOME = Path("/srv/node")

FILE = """
[network]
listen = "127.0.0.1:9470"
bootstrap = ["0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a@a:1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b@b:2"]
[log]
level = "debug"
"""


def read(text: str) -> NodeConfig:
    return load_text(text, home=HOME, environment={})


def test_what_is_shown_gives_the_same_settings() -> None:
    config = read(FILE)

    assert read(show(config)) == config
    assert tomllib.loads(show(config))["network"]["bootstrap"] == list(config.network.bootstrap) != []


def test_differences_are_in_order_and_say_what_needs_a_restart() -> None:
    changed = read(FILE.replace("9470", "9471").replace("debug", "info"))

    assert diff(read(FILE), changed) == (
        Change(key="network.listen", old="127.0.0.1:9470", new="127.0.0.1:9471", needs_restart=True),
        Change(key="log.level", old="debug", new="info", needs_restart=False),
    )
    assert diff(changed, changed) == ()


def test_the_schema_has_every_section_and_no_home() -> None:
    properties = schema()["properties"]

    assert list(properties) == ["node", "network", "api", "storage", "log", "metrics"]
    json.dumps(schema())


class TestReload:
    def test_what_can_change_does_and_the_rest_stays(self, tmp_path: Path) -> None:
        file = tmp_path / CONFIG_NAME
        file.write_text(FILE)
        old = load(tmp_path, {})
        file.write_text(FILE.replace("9470", "9471").replace("debug", "warning"))

        new, changes = reload(old, {})

        assert new.log.level == "warning"
        assert new.network == old.network
        assert [(change.key, change.needs_restart) for change in changes] == [
            ("network.listen", True),
            ("log.level", False),
        ]

    def test_bad_settings_change_nothing(self, tmp_path: Path) -> None:
        file = tmp_path / CONFIG_NAME
        file.write_text(FILE)
        old = load(tmp_path, {})
        file.write_text(FILE + '[api]\nrequests_per_s = 5\nlisten = "nowhere"\n')

        with pytest.raises(InvalidConfig):
            reload(old, {})

        assert old == load_text(FILE, home=tmp_path, environment={})

    def test_what_may_be_reloaded_never_depends_on_another_key(self) -> None:
        """So settings put together of old and new ones need no second check."""
        reloadable = [
            f"{section}.{key}"
            for section, entries in NodeConfig.model_fields.items()
            if section != "home" and entries.annotation is not None
            for key, field in entries.annotation.model_fields.items()
            if field.metadata and any(str(extra) == "When.RELOAD" for extra in field.metadata)
        ]

        assert reloadable == [
            "network.bootstrap",
            "api.connections_max",
            "api.connections_per_client_max",
            "api.requests_per_s",
            "api.requests_burst",
            "storage.keep_blocks",
            "log.level",
        ]


def test_the_api_is_told_addresses_and_whole_paths() -> None:
    config = read(
        '[api]\nlisten = "[::1]:9443"\ntls_certificate = "tls.pem"\ntls_key = "/etc/tls.key"\n'
        '[metrics]\nlisten = "127.0.0.1:9471"'
    )

    settings = config.api_settings()

    assert settings.listen == ("::1", 9443)
    assert settings.metrics_listen == ("127.0.0.1", 9471)
    assert (settings.tls_certificate, settings.tls_key) == (HOME / "tls.pem", Path("/etc/tls.key"))
    assert read("").api_settings().listen is None
