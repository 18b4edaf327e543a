"""The key of the pseudonyms: where it comes from, and that nobody else can read it."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.errors import InputError, RunFailedError, WarehouseBusyError
from flows.people.masking_key import fresh_key, masking_key, sweep_fresh_key
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
        " the file and run rotate-key to begin anew with other pseudonyms"
    )


def test_a_short_key_is_not_overwritten(tmp_path):
    file = write(tmp_path / "key", "short")
    complaint(file)
    assert file.read_text() == "short"


def test_a_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "key").mkdir(mode=0o700)
    assert complaint(tmp_path / "key") == f"{tmp_path}/key: is a folder; name a file"


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


def test_a_new_key_takes_the_place_of_the_old_one_when_it_is_put_there(tmp_path):
    file = write(tmp_path / "key", KEY)
    with fresh_key(settings(file)) as (key, put_in_place):
        assert file.read_text() == KEY
        put_in_place()
    assert masking_key(settings(file)) == key != KEY.encode()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [file]


def test_with_the_old_key_goes_the_copy_of_a_first_run_that_was_killed(tmp_path):
    file, others = write(tmp_path / "key", KEY), write(tmp_path / "key.of_somebody_else", KEY)
    write(tmp_path / "key.0123456789abcdef", KEY)
    with fresh_key(settings(file)) as (_, put_in_place):
        put_in_place()
    assert {*tmp_path.iterdir()} == {file, others}


def test_of_a_new_key_that_is_not_put_there_nothing_is_left(tmp_path):
    file = write(tmp_path / "key", KEY)
    with pytest.raises(KeyboardInterrupt), fresh_key(settings(file)):
        raise KeyboardInterrupt
    assert file.read_text() == KEY
    assert [*tmp_path.iterdir()] == [file]


def test_a_new_key_that_cannot_be_put_there_is_told(tmp_path):
    file = write(tmp_path / "key", KEY)
    with fresh_key(settings(file)) as (_, put_in_place):
        (tmp_path / "key.next").unlink()
        with pytest.raises(RunFailedError, match="run rotate-key again"):
            put_in_place()
    assert file.read_text() == KEY


def test_a_new_key_that_cannot_be_written_is_told_before_anything_is_done(tmp_path):
    file = write(tmp_path / "key", KEY)
    (tmp_path / "key.next").mkdir()
    with pytest.raises(InputError, match="cannot write the masking key"), fresh_key(settings(file)):
        pass
    assert file.read_text() == KEY


def test_a_link_to_the_key_stays_one(tmp_path):
    file = write(tmp_path / "key", KEY)
    link = tmp_path / "link"
    link.symlink_to(file)
    with fresh_key(settings(link)) as (key, put_in_place):
        put_in_place()
    assert link.is_symlink()
    assert file.read_bytes().strip() == key


def test_the_new_key_of_a_run_that_was_killed_is_swept(tmp_path):
    file = write(tmp_path / "key", KEY)
    write(tmp_path / "key.next", "0" * 64)
    sweep_fresh_key(settings(file))
    assert [*tmp_path.iterdir()] == [file]


def test_the_new_key_of_a_run_that_goes_on_is_not_swept_by_another(tmp_path):
    """Runs into other warehouses can share the key."""
    file = write(tmp_path / "key", KEY)
    with fresh_key(settings(file)) as (key, put_in_place):
        sweep_fresh_key(settings(file))
        put_in_place()
    assert masking_key(settings(file)) == key


def test_of_two_runs_that_would_change_the_key_the_second_is_refused(tmp_path):
    file = write(tmp_path / "key", KEY)
    with fresh_key(settings(file)) as (key, put_in_place):
        with pytest.raises(WarehouseBusyError, match="another run"), fresh_key(settings(file)):
            pass
        put_in_place()
    assert masking_key(settings(file)) == key
    assert [*tmp_path.iterdir()] == [file]
