"""The key of the pseudonyms: where it comes from, and that nobody else can read it."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.errors import InputError
from flows.masking_key import masking_key
from flows.settings import Settings, load_settings

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of the test and no other."""
    for name in [name for name in os.environ if name.startswith("FUNNEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def settings(file: Path) -> Settings:
    return load_settings(masking_key_file=file)


def write(file: Path, text: str, mode: int = 0o600) -> Path:
    """A key file."""
    file.write_text(text)
    file.chmod(mode)
    return file


def complaint(file: Path) -> str:
    """What is said of a key file that cannot be used."""
    with pytest.raises(InputError) as caught:
        masking_key(settings(file))
    return str(caught.value)


def test_the_key_of_the_environment(monkeypatch):
    monkeypatch.setenv("FUNNEL_MASKING_KEY", KEY)
    assert masking_key(load_settings()) == KEY.encode()


def test_with_a_key_in_the_environment_no_file_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("FUNNEL_MASKING_KEY", KEY)
    masking_key(load_settings())
    assert list(tmp_path.iterdir()) == []


def test_the_key_of_the_file(tmp_path):
    assert masking_key(settings(write(tmp_path / "key", f"{KEY}\n"))) == KEY.encode()


def test_the_first_run_makes_the_file_for_its_owner_only(tmp_path):
    masking_key(settings(tmp_path / "key"))
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_the_file_is_for_its_owner_only_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        masking_key(settings(tmp_path / "key"))
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_fresh_key_has_256_bits(tmp_path):
    assert len(bytes.fromhex(masking_key(settings(tmp_path / "key")).decode())) == 32


def test_the_second_run_finds_the_key_of_the_first(tmp_path):
    assert masking_key(settings(tmp_path / "key")) == masking_key(settings(tmp_path / "key"))


def test_two_files_have_two_keys(tmp_path):
    assert masking_key(settings(tmp_path / "one")) != masking_key(settings(tmp_path / "other"))


def test_runs_that_begin_at_once_have_the_same_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: masking_key(settings(tmp_path / "key")), range(8)))
    assert keys == {(tmp_path / "key").read_bytes().strip()}
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(tmp_path, mode):
    file = write(tmp_path / "key", KEY, mode)
    assert complaint(file) == (f"{file}: others can read the masking key; run: chmod 600 {file}")


@pytest.mark.parametrize("text", ["", "\n", "short", " " * 40])
def test_a_short_key_is_refused_and_not_quoted(tmp_path, text):
    file = write(tmp_path / "key", text)
    assert complaint(file) == (
        f"{file}: the masking key is shorter than 16 bytes; restore it, or delete"
        " the file to begin anew with other pseudonyms"
    )


def test_a_short_key_is_not_overwritten(tmp_path):
    file = write(tmp_path / "key", "short")
    complaint(file)
    assert file.read_text() == "short"


def test_a_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "key").mkdir(mode=0o700)
    assert complaint(tmp_path / "key") == (
        f"{tmp_path}/key: cannot use the masking key: Is a directory"
    )


def test_a_file_that_cannot_be_made(tmp_path):
    file = tmp_path / "nowhere" / "key"
    assert complaint(file) == f"{file}: cannot use the masking key: No such file or directory"


def test_a_link_to_nowhere_is_refused(tmp_path):
    file = tmp_path / "key"
    file.symlink_to(tmp_path / "gone")
    assert "cannot use the masking key" in complaint(file)


def test_the_key_is_in_no_text_of_the_settings(monkeypatch):
    monkeypatch.setenv("FUNNEL_MASKING_KEY", KEY)
    read = load_settings()
    assert not any(KEY in text for text in (repr(read), str(read), read.model_dump_json()))
