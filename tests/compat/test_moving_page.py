"""docs/moving-from-dispatcherd.md says what is so: its keys are known, its traps are met, its links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import CHECKOUT
from dispatcher._binary import find_binary

PAGE = CHECKOUT / "docs" / "moving-from-dispatcherd.md"


def check(tmp_path: Path, config: dict[str, Any]) -> tuple[int, str]:
    """The exit code of `dispatcher check`, and all that it said."""
    path = tmp_path / "dispatcher.yml"
    path.write_text(
        json.dumps({"version": 2, "brokers": {"pg_notify": {"config": {"dbname": "x"}, "channels": ["c"]}}} | config)
    )
    done = subprocess.run([find_binary(), "check", str(path)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_keys_that_make_all_as_it_was_are_known(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    code, said = check(tmp_path, yaml.safe_load(block))
    assert code == 0
    assert "warning" not in said.replace("0 warnings", "")


TRAPS: list[tuple[dict[str, Any], int, str]] = [
    ({"service": {"min_workers": 2}}, 0, "service.pool_kwargs.min_workers"),
    ({"logging": {}}, 0, "has no effect"),
    ({"publish": {"unknown": 1}}, 0, "has no effect"),
    ({"service": {"pool_kwargs": {"min_worker": 2}}}, 2, "did you mean min_workers"),
    ({"brokers": {"pg_notify": {"config": {"dbname": "x"}, "chanels": []}}}, 2, "did you mean channels"),
    (
        {"pool": {"max_workers": 2}, "producers": {"brokers": {"pg_notify": {"config": {"dbname": "x"}}}}},
        0,
        "read as if",
    ),
    ({"brokers": {"pg_notify": {"config": {"conninfo": "dbname=x sslcert= sslkey= sslrootcert="}}}}, 0, "is good"),
    ({"brokers": {"pg_notify": {"config": {"dbname": "x", "prepare_threshold": None}}}}, 0, "is good"),
    ({"brokers": {"pg_notify": {"config": {"dbname": "x"}, "max_connection_idle_seconds": None}}}, 0, "is good"),
    ({"brokers": {"of.an.application": {}}}, 2, "a broker written in Python is not run by this service"),
    ({"brokers": {"dispatcherd.testing.brokers.noop": {}}}, 0, "is good"),
]


@pytest.mark.parametrize(("config", "code", "words"), TRAPS)
def test_traps_are_met_as_the_page_says(tmp_path: Path, config: dict[str, Any], code: int, words: str) -> None:
    assert (check(tmp_path, config)[0], words in check(tmp_path, config)[1]) == (code, True), check(tmp_path, config)[1]


def test_links_lead_to_files_that_are_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text())
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
    assert "docs/moving-from-dispatcherd.md" in (CHECKOUT / "README.md").read_text()
