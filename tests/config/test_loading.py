import json
from pathlib import Path

import pytest

from noded.config import CONFIG_NAME, InvalidConfig, NodeConfig, default_text, load, load_text
from noded.config.loading import CONFIG_BYTES_MAX

HOME = Path("/srv/node")
MEMBER = "0a" * 16


def read(text: str = "", **environment: str) -> NodeConfig:
    return load_text(text, home=HOME, environment=environment)


def refused(text: str = "", **environment: str) -> list[str]:
    """The problems that are reported, as the operator reads them."""
    with pytest.raises(InvalidConfig) as caught:
        read(text, **environment)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


class TestSources:
    def test_nothing_gives_the_defaults(self) -> None:
        config = read()

        assert config.network.listen == "0.0.0.0:9470"
        assert config.api.listen == ""
        assert config.home == HOME

    def test_the_environment_comes_before_the_file(self) -> None:
        config = read('[log]\nlevel = "debug"\nformat = "json"', NODED_LOG__LEVEL="error")

        assert (config.log.level, config.log.format) == ("error", "json")

    def test_a_variable_has_the_type_of_its_key(self) -> None:
        config = read(
            NODED_API__CONNECTIONS_MAX="7",
            NODED_NETWORK__BOOTSTRAP=f"{MEMBER}@node.example:9470, {MEMBER}@[2001:db8::1]:9470",
            NODED_NETWORK__LISTEN="127.0.0.1:1",
        )

        assert config.api.connections_max == 7
        assert config.network.bootstrap == (f"{MEMBER}@node.example:9470", f"{MEMBER}@[2001:db8::1]:9470")
        assert config.network.listen == "127.0.0.1:1"

    def test_a_list_may_also_be_written_as_in_the_file(self) -> None:
        listed = (f"{MEMBER}@a:1", f"{MEMBER}@b:2")

        assert read(NODED_NETWORK__BOOTSTRAP=json.dumps(listed)).network.bootstrap == listed

    def test_other_variables_are_nobodys_mistake(self) -> None:
        assert read(NODED_SHARED_DATA="/data", PATH="/bin", NODEDX__A="1") == read()

    def test_a_missing_file_is_an_empty_one(self, tmp_path: Path) -> None:
        assert load(tmp_path, {}).model_dump() == read().model_dump()

    def test_the_file_in_the_home_is_read(self, tmp_path: Path) -> None:
        (tmp_path / CONFIG_NAME).write_text("[storage]\nkeep_blocks = 5\n")

        assert load(tmp_path, {}).storage.keep_blocks == 5

    def test_paths_are_within_the_home_unless_absolute(self) -> None:
        config = read()

        assert config.path("keys") == HOME / "keys"
        assert config.path("/etc/noded/tls.pem") == Path("/etc/noded/tls.pem")


class TestRefusals:
    """Every message names file or variable, key, value and what was expected."""

    def test_an_unknown_key_is_named_with_the_nearest_known_one(self) -> None:
        assert refused('[network]\nlistn = "a:1"') == [
            "config.toml: network.listn: there is no such setting; did you mean network.listen? If not, take it out"
        ]

    def test_an_unknown_section_is_named_with_the_nearest_known_one(self) -> None:
        assert refused("[netwrk]") == [
            "config.toml: netwrk: there is no such setting; did you mean network? If not, take it out"
        ]

    def test_a_key_in_the_wrong_section_is_found(self) -> None:
        assert refused("[storage]\nconnections_max = 1") == [
            "config.toml: storage.connections_max: there is no such setting; did you mean api.connections_max? If not, take it out"
        ]

    def test_an_unknown_variable_is_named(self) -> None:
        assert refused(NODED_NETWORK__LISTN="a:1") == [
            "NODED_NETWORK__LISTN: network.listn: there is no such setting; did you mean network.listen? If not, take it out"
        ]

    def test_a_variable_with_one_underscore_is_not_passed_over(self) -> None:
        assert refused(NODED_LOG_LEVEL="debug") == [
            "NODED_LOG_LEVEL: two underscores stand between section and key; did you mean NODED_LOG__LEVEL?"
        ]

    def test_variables_of_the_programs_around_are_no_settings(self) -> None:
        assert read(NODED_HOME="/x", NODED_PYTHON="python3") == read()

    def test_the_variable_is_named_where_its_value_is_wrong(self) -> None:
        assert refused("[api]\nconnections_max = 5", NODED_API__CONNECTIONS_MAX="0") == [
            "NODED_API__CONNECTIONS_MAX: api.connections_max: 0: input should be greater than or equal to 1"
        ]

    def test_a_number_in_quotes_is_no_number(self) -> None:
        assert refused('[storage]\nkeep_blocks = "5"') == [
            "config.toml: storage.keep_blocks: '5': input should be a valid integer"
        ]

    def test_a_word_where_a_number_is_expected(self) -> None:
        assert refused(NODED_STORAGE__KEEP_BLOCKS="many") == [
            "NODED_STORAGE__KEEP_BLOCKS: storage.keep_blocks: 'many' is not a value of TOML"
        ]

    def test_all_mistakes_are_reported_at_once(self) -> None:
        problems = refused('[log]\nlevel = "loud"\n[network]\nlisten = "nowhere"\nport = 1')

        assert [line.split(": ")[1] for line in problems] == ["network.port", "network.listen", "log.level"]

    @pytest.mark.parametrize("address", ["host", "host:0", "host:65536", ":1", "::1:80", "host:http"])
    def test_addresses_are_host_and_port(self, address: str) -> None:
        (problem,) = refused(f'[network]\nlisten = "{address}"')

        assert problem.startswith("config.toml: network.listen: ")
        assert address in problem

    @pytest.mark.parametrize("peer", ["a:1", "00@a:1", f"{'0' * 32}@a", f"{'0G' * 16}@a:1"])
    def test_a_bootstrap_peer_has_an_id_and_an_address(self, peer: str) -> None:
        (problem,) = refused(f'[network]\nbootstrap = ["{peer}"]')

        assert problem.startswith("config.toml: network.bootstrap: ")

    @pytest.mark.parametrize("source", ["secret", "file:", "fd:x", "fd:", "credential:x"])
    def test_a_passphrase_itself_is_never_a_setting(self, source: str) -> None:
        (problem,) = refused(f'[node]\npassphrase = "{source}"')

        assert "expected credential, file:PATH, fd:NUMBER or none" in problem

    def test_tokens_never_travel_in_clear_beyond_this_machine(self) -> None:
        (problem,) = refused('[api]\nlisten = "0.0.0.0:9443"')

        assert problem.startswith("config.toml: api: listening beyond 127.0.0.1 needs tls_certificate")
        assert read('[api]\nlisten = "127.0.0.1:9443"').api.listen == "127.0.0.1:9443"

    def test_certificate_and_key_belong_together(self) -> None:
        (problem,) = refused('[api]\ntls_key = "key.pem"')

        assert problem == "config.toml: api: tls_certificate and tls_key belong together"

    def test_what_is_no_toml_is_named_with_its_line(self) -> None:
        (problem,) = refused("[log\nlevel=1")

        assert "it is not TOML" in problem
        assert "line 1" in problem

    def test_a_value_in_a_sections_place(self) -> None:
        assert refused("log = 5") == ["config.toml: log: it is a section; write [log]"]

    def test_a_home_that_is_not_there_is_no_home_with_defaults(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidConfig, match=r"nowhere: there is no home here; .*noded init"):
            load(tmp_path / "nowhere", {})

    def test_a_file_that_was_named_must_exist(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidConfig, match=r"other\.toml: there is no such file"):
            load(tmp_path, {}, file=tmp_path / "other.toml")

    def test_a_file_of_another_kind_is_not_read_to_its_end(self, tmp_path: Path) -> None:
        (tmp_path / CONFIG_NAME).write_bytes(b"#" * (CONFIG_BYTES_MAX + 1))

        with pytest.raises(InvalidConfig, match="so it is something else"):
            load(tmp_path, {})

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / CONFIG_NAME).write_bytes(b"# \xff")

        with pytest.raises(InvalidConfig, match="not UTF-8 at byte 2"):
            load(tmp_path, {})

    def test_a_folder_in_the_files_place(self, tmp_path: Path) -> None:
        (tmp_path / CONFIG_NAME).mkdir()

        with pytest.raises(InvalidConfig, match="cannot be read"):
            load(tmp_path, {})


class TestDefaultFile:
    def test_it_says_what_holds_without_it(self) -> None:
        assert read(default_text()) == read()

    def test_it_names_every_key_and_what_it_means(self) -> None:
        text = " ".join(default_text().replace("\n# ", " ").split())

        for name, section in NodeConfig.model_fields.items():
            if name == "home":
                continue
            assert isinstance(section.annotation, type)
            assert " ".join((section.annotation.__doc__ or "").split()) in text
            for key, field in section.annotation.model_fields.items():
                assert f"\n{key} = " in default_text()
                assert field.description is not None
                assert field.description in text

    def test_the_copy_for_operators_is_the_same(self) -> None:
        copy = Path(__file__).parents[2] / "configs" / "default.toml"

        assert copy.read_text() == default_text()
