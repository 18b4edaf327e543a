"""Columns of text: cleaned, normalised, and read as numbers, alike on every engine."""

import ibis
from ibis.expr.types import IntegerValue, StringValue, Value

# Of ASCII, as in a class of a pattern: each engine means something else by `\s`.
WHITE_SPACE = r"\t-\r "
# White space, punctuation and symbols, by their places in Unicode, for the same reason.
_SYMBOLS = (
    "\u00a0-\u00a9\u00ab\u00ac\u00ae-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7"  # Latin-1
    "\u2000-\u200b\u200e-\u206f\u20a0-\u20c0\u2190-\u245f\u2500-\u2bff"  # dashes, quotes, arrows
    "\u060c\u061b\u061f\u0964\u0965\u30fb\u3000-\u3003\u3008-\u3020"  # of other scripts
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"  # full width
    "\ufe00-\ufe0f\U0001f000-\U0001faff"  # emoji
)
NOT_LETTER_OR_DIGIT = f"[{WHITE_SPACE}!-/:-@\\[-`{{-~{_SYMBOLS}]+"


@ibis.udf.scalar.builtin
def md5(text: str) -> str:  # type: ignore[empty-body]
    """The hash of a text, in hex; every engine has it."""


def code(text: StringValue) -> StringValue:
    """A category as a code: " SC-2" -> "sc_2"; null where no letter or digit is left."""
    joined = text.lower().re_replace(NOT_LETTER_OR_DIGIT, "_")
    # Most are codes already: those are quicker to see than to make.
    is_code = text.re_search("^[a-z0-9]+(_[a-z0-9]+)*$")
    return ibis.ifelse(is_code, text, joined.re_replace("^_|_$", "").nullif(""))


def stripped(text: StringValue) -> StringValue:
    """A text without outer white space, and quickly where it has none."""
    has_none = (text.ascii_str() > ord(" ")) & (text.right(1).ascii_str() > ord(" "))
    return ibis.ifelse(has_none, text, text.strip())


def folded(text: StringValue) -> StringValue:
    """A name with its inner white space folded: "Sales   Call" -> "Sales Call"."""
    return text.strip().re_replace(f"[{WHITE_SPACE}]+", " ").nullif("")


def integer(text: StringValue) -> IntegerValue:
    """An id written as text ("7", "7.0"); null for anything else, never an error."""
    digits = text.re_extract(r"^([+-]?[0-9]{1,18})(\.0+)?$", 1).nullif("")
    # Most are digits alone: those are quicker to see than to take out, and their length to count
    # than to match.
    is_digits = text.re_search("^[0-9]+$") & (text.length() <= 18)
    return ibis.ifelse(is_digits, text, digits).cast("int64")


def exactly(number: Value) -> StringValue:
    """A column as text; of floats, only those that stand for one whole number, and no neighbour."""
    text = number.cast("string")
    kind = number.type()
    if not kind.is_floating():
        return text
    bits = {2: 11, 4: 24, 8: 53}[kind.nbytes]
    is_whole = number == number.floor()
    whole = ibis.ifelse(is_whole, number.cast("float64"), None).cast("int64").cast("string")
    return ibis.ifelse(number.abs() >= float(2**bits), "a float", ibis.coalesce(whole, text))


def looked_up(text: StringValue, table: dict[str, str]) -> StringValue:
    """The text's entry in a small table of literals; null where it has none."""
    if not table:
        return ibis.null("string")
    return text.cases(*table.items())
