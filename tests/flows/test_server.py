"""Whether a run needs a server of its own, as it is seen before Prefect is imported."""

from pathlib import Path

import pytest

from flows.server import no_server_is_named


@pytest.fixture(autouse=True)
def nothing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable, and folders without a file."""
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()


def test_where_nothing_names_a_server_there_is_none(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n")
    assert no_server_is_named()


@pytest.mark.parametrize("name", ["PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"])
def test_a_variable_can_name_one(monkeypatch, name):
    monkeypatch.setenv(name, "there")
    assert not no_server_is_named()


@pytest.mark.parametrize("file", ["home/profiles.toml", "prefect.toml", ".env", "pyproject.toml"])
def test_a_file_can_name_one(tmp_path, file):
    (tmp_path / file).write_text("[tool.prefect.api]\n")
    assert not no_server_is_named()
