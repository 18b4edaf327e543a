"""Whoever has all names, addresses and ids, the code, the warehouse and the report, but not the
key, finds no pseudonym by hashing what they know. With the key they find them all.
"""

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

import ibis
import pytest

from flows.warehouse.masking import masking_with, pseudonym
from flows.warehouse.rows import read, table_of
from tests.stored import cells

KEY = "a key that is in no dictionary: 7Ywq"
NAMES = ["Zebulon Quist", "Ada Byron", "Żaneta Łoś", "  Bo  Li "]
ADDRESSES = ["zq@example.com", "Ada.Byron@Example.COM", " zaneta@example.pl ", "bo.li@example.com"]
IDS = [1, 2, 31, 44]
# What people type into a field of the CRM.
TYPED = ["Call Zebulon Quist back", "+49 170 55501884"]
KNOWN = [*NAMES, *ADDRESSES, *TYPED, *(form for n in IDS for form in (str(n), f"user:{n}"))]

TABLES = {
    "users": "id,name,email,modified\n"
    + "".join(f"{n},{name},{at},\n" for n, name, at in zip(IDS, NAMES, ADDRESSES, strict=True)),
    "deal_changes": "deal_id,change_time,changed_field_key,new_value\n"
    + "".join(f"7,2024-01-02,add_time,2024-01-02\n7,2024-01-02,note,{text}\n" for text in TYPED),
}

# The suffix of a name, and whatever is longer; and what may be a hash in base64.
PSEUDONYM = re.compile(r"(?<=[*]{3} #)[0-9a-f]{6}|[0-9a-f]{12,}", re.IGNORECASE)
BASE64 = re.compile(r"(?<![\w+/])[\w+/]{20}")
HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "blake2s")
SALTED = ("md5", "sha1", "sha256", "sha512")
KEYS = (
    *("", "key", "salt", "pepper", "secret", "password", "masking", "masking_key", "admin"),
    *("FUNNEL_MASKING_KEY", ".masking_key", "sales-funnel", "sales_funnel", "sfunnel", "funnel"),
    *("changeme", "0" * 16, "0" * 32, "0" * 64, "\0" * 32, "\0" * 64, "a" * 16, "test", "prefect"),
    *("a key for the tests, not a secret", "0123456789abcdef", "0123456789abcdef" * 2),
)


def spellings(text: str) -> set[str]:
    """The ways in which somebody may have written it before it was hashed."""
    folded = " ".join(text.split())
    found = {text, text.strip(), folded, folded.replace(" ", ""), text.partition("@")[0]}
    found |= {unicodedata.normalize(form, each) for form in ("NFC", "NFD") for each in [*found]}
    found |= {made for each in found for made in (each.lower(), each.upper(), each.title())}
    return found | {f"{each}\n" for each in found}


def guesses(text: str, keys: Iterable[bytes]) -> Iterator[str]:
    """What hashing the text may give, in hex: without a key, salted, and keyed."""
    keys = [*keys]
    for spelling, name in product(spellings(text), HASHES):
        data = spelling.encode()
        yield hashlib.new(name, data).hexdigest()
        if name in SALTED:
            for key in keys:
                yield hashlib.new(name, key + data).hexdigest()
                yield hashlib.new(name, data + key).hexdigest()
                yield hmac.new(key, data, name).hexdigest()


class Left(NamedTuple):
    """What may be a pseudonym in all that a run leaves to readers, in hex and in base64."""

    pseudonyms: set[str]
    in_base64: set[str]

    def without_suffixes(self) -> Self:
        """Only what is too long to be met by chance."""
        return self._replace(pseudonyms={each for each in self.pseudonyms if len(each) > 6})

    def found(self, digests: Iterable[str]) -> bool:
        """Whether one of the digests is there: whole, cut off, or in another notation."""
        lengths = {len(each) for each in self.pseudonyms}
        return any(
            base64.b64encode(bytes.fromhex(digest))[:20].decode() in self.in_base64
            or any(digest[:length] in self.pseudonyms for length in lengths)
            for digest in digests
        )


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def left(request, tmp_path_factory, new_place, small_export) -> Left:
    """What a run leaves, on each engine."""
    folder = tmp_path_factory.mktemp("attack")
    place = new_place(request.param, folder / "sandbox")
    source = small_export(folder / "export", **TABLES)
    assert place.run("--source", source, masking_key=KEY).returncode == 0
    text = "\n".join([*cells(place.url), place.sandbox.report.read_text()])
    return left_in(text)


def left_in(text: str) -> Left:
    """What may be a pseudonym in a text."""
    return Left({found.lower() for found in PSEUDONYM.findall(text)}, {*BASE64.findall(text)})


SHA256 = hashlib.sha256(b"zq@example.com")


@pytest.mark.parametrize(
    "text",
    [
        SHA256.hexdigest(),
        SHA256.hexdigest().upper(),
        "~" + SHA256.hexdigest()[:16],
        "Z*** Q*** #" + SHA256.hexdigest()[:6],
        base64.b64encode(SHA256.digest()).decode(),
        hashlib.md5(b"saltZQ@EXAMPLE.COM").hexdigest(),
        hmac.new(b"secret", b"zq@example.com", "sha1").hexdigest(),
    ],
)
def test_the_attack_finds_an_address_that_was_hashed_without_a_good_key(text):
    known = guesses(" zq@Example.com", map(str.encode, KEYS))
    assert left_in(f"before {text}\nafter").found(known)


def test_there_is_something_to_find(left):
    # Four addresses, two texts, and the suffixes of four names.
    lengths = [len(each) for each in left.pseudonyms]
    assert lengths.count(6) == 4
    assert lengths.count(16) >= 2
    assert lengths.count(64) >= 4


@pytest.mark.parametrize("text", KNOWN, ids=repr)
def test_without_the_key_nothing_is_found(left, text):
    assert not left.found(guesses(text, map(str.encode, KEYS)))


def keys_held(left: Left) -> list[bytes]:
    """Such as the ids of runs, the version of the code, the fingerprint of the export."""
    held = [each for each in left.pseudonyms if len(each) in (12, 32, 64)]
    return [*map(str.encode, held), *map(bytes.fromhex, held)]


@pytest.mark.parametrize("text", KNOWN, ids=repr)
def test_what_the_warehouse_itself_holds_is_no_key(left, text):
    assert not left.without_suffixes().found(guesses(text, keys_held(left)))


def test_what_the_warehouse_itself_holds_is_no_key_to_the_suffixes(left):
    # What is held is another thing in each run, and one of as many guesses meets six digits by
    # chance some day. The key would meet all of them.
    suffixes = left.pseudonyms - left.without_suffixes().pseudonyms
    guessed = {digest[:6] for text in KNOWN for digest in guesses(text, keys_held(left))}
    assert len(suffixes & guessed) < len(suffixes)


def test_with_the_key_every_suffix_is_met(left):
    suffixes = left.pseudonyms - left.without_suffixes().pseudonyms
    guessed = {digest[:6] for text in KNOWN for digest in guesses(text, [KEY.encode()])}
    assert suffixes <= guessed


def by_our_own_function(key: str, texts: list[str]) -> list[str]:
    """What the code makes of them with a key."""
    connection = ibis.duckdb.connect()
    with TemporaryDirectory() as folder, masking_with(key.encode(), connection):
        known = table_of(
            connection,
            [{"text": text} for text in texts],
            {"text": "string"},
            Path(folder) / "known",
        )
        made = read(known.select(made=pseudonym(known.text))).to_pylist()
    connection.disconnect()
    return [row["made"] for row in made]


@pytest.mark.parametrize("key", [*KEYS, KEY[:-1], KEY + " ", KEY.upper()], ids=repr)
def test_our_own_function_with_a_wrong_key_finds_nothing(left, key):
    assert not left.found(by_our_own_function(key, KNOWN))


@pytest.mark.parametrize("text", [*ADDRESSES, *TYPED, *(f"user:{n}" for n in IDS)], ids=repr)
def test_with_the_key_everything_is_found(left, text):
    assert left.found(guesses(text, [KEY.encode()]))


def test_our_own_function_with_the_key_finds_as_much(left):
    known = [address.strip().lower() for address in ADDRESSES] + TYPED
    assert all(left.found([made]) for made in by_our_own_function(KEY, known))
