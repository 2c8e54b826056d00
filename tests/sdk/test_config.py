"""Settings: where they come from, and what is said when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher import config


@pytest.mark.parametrize("variable", ["DISPATCHER_CONFIG_FILE", "DISPATCHERD_CONFIG_FILE"])
def test_either_variable_names_the_file(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.yml"
    path.write_text("version: 2\nbrokers: {noop: }\n")
    monkeypatch.setenv(variable, str(path))
    assert config.settings.brokers == {"noop": {}}


def test_use_without_a_config_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"not configured.*setup.*DISPATCHER_CONFIG_FILE"):
        _ = config.settings.brokers


def test_a_wrong_version_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text("version: 1\n")
    with pytest.raises(RuntimeError, match=r"c\.yml.*version is 1"):
        config.setup(file_path=path)


def test_a_section_that_is_no_mapping_is_named() -> None:
    with pytest.raises(RuntimeError, match="brokers has to be a mapping, not list"):
        config.setup({"version": 2, "brokers": ["pg_notify"]})


def test_settings_may_be_changed_after_setup_without_changing_what_was_given() -> None:
    given = {"version": 2, "service": {"main_kwargs": {}}}
    config.setup(given)
    config.settings.service["pool_kwargs"]["max_workers"] = 7
    assert config.settings.serialize()["service"]["pool_kwargs"] == {"max_workers": 7}
    assert "pool_kwargs" not in given["service"]


def test_keys_of_old_samples_are_read_where_they_belong() -> None:
    old = {
        "producers": {"brokers": {"pg_notify": {"conninfo": "dbname=x", "channels": ["a"]}}},
        "pool": {"max_workers": 4},
    }
    with pytest.warns(DeprecationWarning) as said:
        config.setup(old)
    assert len(said) == 3
    assert config.settings.brokers == {"pg_notify": {"channels": ["a"], "config": {"conninfo": "dbname=x"}}}
    assert config.settings.service == {"pool_kwargs": {"max_workers": 4}}
    assert config.settings.producers == {}


def test_keys_that_publishing_does_not_know_reach_the_service() -> None:
    config.setup({"version": 2, "control": {"redact": True}})
    assert config.settings.serialize()["control"] == {"redact": True}
