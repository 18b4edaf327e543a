"""The list of those who are forgotten: how it is read and written."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from flows.errors import InputError
from flows.main import command
from flows.people import fingerprint, forget, forgotten_users
from flows.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of the test and no other."""
    for name in [name for name in os.environ if name.startswith("FUNNEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(forgotten_users_file=tmp_path / "gone")


def write(settings: Settings, content: str, mode: int = 0o600) -> None:
    """A list, as somebody else wrote it."""
    settings.forgotten_users_file.write_text(content)
    settings.forgotten_users_file.chmod(mode)


def complaint(settings: Settings) -> str:
    """What is said of a list that cannot be used."""
    with pytest.raises(InputError) as caught:
        forgotten_users(settings)
    return str(caught.value).removeprefix(f"{settings.forgotten_users_file}: ")


def test_without_a_file_nobody_is_forgotten(settings):
    assert forgotten_users(settings) == frozenset()


def test_who_was_forgotten_stays_so(settings):
    for user_id in (7, 5, 7):
        forget(settings, user_id)
    assert forgotten_users(settings) == {5, 7}
    assert settings.forgotten_users_file.read_text() == "5\n7\n"


def test_who_is_forgotten_by_runs_at_the_same_time_stays_so(settings):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda user_id: forget(settings, user_id), range(40)))
    assert forgotten_users(settings) == {*range(40)}


def test_the_file_is_for_its_owner_only_and_nothing_but_a_lock_is_beside_it(settings):
    forget(settings, 5)
    assert settings.forgotten_users_file.stat().st_mode & 0o777 == 0o600
    assert sorted(settings.forgotten_users_file.parent.iterdir()) == [
        settings.forgotten_users_file,
        settings.forgotten_users_file.with_name("gone.lock"),
    ]


def test_blank_lines_and_other_line_ends_do_not_disturb(settings):
    write(settings, " 5\r\n\n7")
    assert forgotten_users(settings) == {5, 7}


@pytest.mark.parametrize("line", ["x", "-5", "5.0", "5 7", "Zebulonius", "5" * 19])
def test_a_line_that_is_no_id_is_named_and_not_quoted(settings, line):
    write(settings, f"5\n{line}\n")
    assert complaint(settings) == "line 2: not a user id, a whole number"


def test_a_list_that_others_can_read_is_refused(settings):
    write(settings, "5\n", mode=0o644)
    file = settings.forgotten_users_file
    assert complaint(settings) == f"others can read who is forgotten; run: chmod 600 {file}"


def test_a_list_that_cannot_be_used_is_left_as_it_is(settings):
    write(settings, "five\n")
    with pytest.raises(InputError):
        forget(settings, 7)
    assert settings.forgotten_users_file.read_text() == "five\n"


def test_a_folder_in_place_of_the_list(settings):
    settings.forgotten_users_file.mkdir(mode=0o700)
    assert complaint(settings) == "is a folder; name a file"


def test_a_list_that_cannot_be_written(tmp_path):
    file = tmp_path / "nowhere" / "gone"
    with pytest.raises(InputError) as caught:
        forget(load_settings(forgotten_users_file=file), 5)
    assert str(caught.value) == f"{file}: cannot write who is forgotten: No such file or directory"


def test_another_key_or_another_list_has_another_fingerprint():
    found = [fingerprint(key, ids) for key in (b"a", b"b") for ids in ([], [1], [2], [1, 2], [12])]
    assert len(set(found)) == len(found)


def test_the_order_of_the_list_does_not_matter():
    assert fingerprint(b"a", [1, 2]) == fingerprint(b"a", [2, 1])


@pytest.mark.parametrize(
    "options",
    [
        ["forget"],
        ["--user-id", "5"],
        ["rotate-key", "--user-id", "5"],
        ["forget", "--user-id", "-5"],
        ["forget", "--user-id", "five"],
        ["forget", "--user-id", "5", "--dry-run"],
        ["rotate-key", "--dry-run"],
        ["remember"],
    ],
    ids=" ".join,
)
def test_what_is_no_command_is_refused_and_nothing_is_written(options, tmp_path):
    assert CliRunner().invoke(command, options).exit_code == 2
    assert [*tmp_path.iterdir()] == []


def test_what_a_killed_run_was_writing_is_gone_with_the_next_one(settings, tmp_path):
    (tmp_path / "gone.next").write_text("42\n")
    forget(settings, 7)
    assert forgotten_users(settings) == {7}
    assert not (tmp_path / "gone.next").exists()
