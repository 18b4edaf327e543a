"""What becomes of personal values, as expressions. They run in the first SELECT that reads them.

A pseudonym is keyed (HMAC-SHA256, hex): the warehouse supplies it as a function, because the key
must not be part of an expression (it would be in SQL text).
"""

from collections.abc import Callable, Collection

import ibis
from ibis import Table
from ibis.expr.types import BooleanValue, IntegerValue, StringValue, Value

from transforms.sources import STATUSES, Kind
from transforms.text import WHITE_SPACE, code, folded, integer, stripped

Pseudonym = Callable[[StringValue], StringValue]

# The fields of the change log whose values we read, and how their ids and times look. A phone
# number is digits too, and a reason may be typed: its id is short and does not begin with 0.
_ID = r"^-?[0-9]{1,18}([.]0+)?$"
PLAIN_VALUES = {
    "add_time": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[-+0-9:. TZ]{0,32}$",
    "lost_reason": r"^-?(0|[1-9][0-9]{0,8})([.]0+)?$",
    "stage_id": _ID,
    "user_id": _ID,
}


def masked_columns(
    kind: Kind,
    value: StringValue,
    field_key: StringValue | None,
    pseudonym: Pseudonym,
    forgotten: Collection[int],
) -> dict[str, StringValue]:
    """The raw columns of a personal value by suffix, as `transforms.sources.RAW_COLUMNS` has them.

    Args:
        kind: one of PERSONAL_KINDS.
        value: the personal value.
        field_key: of a log value, the field that was changed.
        pseudonym: the keyed function.
        forgotten: ids of users of whom nothing is kept.
    """
    text = stripped(value).nullif("")
    match kind:
        case "name":
            return {"_masked": masked_name(text), "_pseudonym": pseudonym(text)}
        case "email":
            return {"_hash": email_hash(text, pseudonym)}
        case "status":
            return {"": plain_or_masked(text, code(text).isin(STATUSES), pseudonym)}
        case "currency":
            return {"": plain_or_masked(text, is_currency(text), pseudonym)}
        case _:
            assert field_key is not None
            return {"": masked_log_value(value, field_key, pseudonym, forgotten)}


def masked_name(name: StringValue) -> StringValue:
    """Initials: "Jane van Doe" -> "J*** v*** D***"."""
    return folded(name.strip().re_replace(f"([^{WHITE_SPACE}])[^{WHITE_SPACE}]*", r"\1***"))


def email_hash(email: StringValue, pseudonym: Pseudonym) -> StringValue:
    """Pseudonym of the address, trimmed and in lower case."""
    return pseudonym(email.strip().lower())


def plain_or_masked(
    value: StringValue, is_plain: BooleanValue, pseudonym: Pseudonym
) -> StringValue:
    """A value that is of the kind that we read; all else may be personal ("~" and hex).

    Args:
        value: without outer white space; an empty one becomes null.
        is_plain: it is of that kind.
        pseudonym: the keyed function.
    """
    masked = "~" + pseudonym(value).substr(0, 16)
    return ibis.cases((is_plain, value), (value != "", masked))


def masked_log_value(
    value: StringValue,
    field_key: StringValue,
    pseudonym: Pseudonym,
    forgotten: Collection[int] = (),
) -> StringValue:
    """Ids and times of the fields we know stay, without outer white space; all else is masked.

    The id of a forgotten user is null, in a field that we do not know too.
    """
    value = stripped(value)
    fields = ((key, value.re_search(plain)) for key, plain in PLAIN_VALUES.items())
    # Most keys are spelled so: that is quicker to see than to make.
    key = ibis.ifelse(field_key.isin(list(PLAIN_VALUES)), field_key, code(field_key))
    is_plain = key.cases(*fields, else_=False)
    made = plain_or_masked(value, is_plain, pseudonym)
    if not forgotten:
        return made
    others = [known for known in PLAIN_VALUES if known != "user_id"]
    is_of_other = key.isin(others).fill_null(False)
    names_one = ~is_of_other & is_forgotten(integer(value), forgotten)
    return ibis.ifelse(names_one, None, made)


def options_without_people(options: StringValue, field_key: StringValue) -> StringValue:
    """The options of a field; those of the owner are people, by their names, and do not stay."""
    return ibis.ifelse(code(field_key) == "user_id", None, options)


def is_forgotten(user_id: IntegerValue, forgotten: Collection[int]) -> BooleanValue:
    """Whether a user is one of whom nothing is kept."""
    return user_id.isin(list(forgotten)).fill_null(False)


def is_currency(text: StringValue) -> BooleanValue:
    """Whether a text is a currency, as far as one sees: it has three letters."""
    return text.re_search("^[A-Za-z]{3}$")


def without(forgotten: Collection[int], before: Table) -> Table:
    """Rows of an earlier run without what is personal by now.

    Args:
        forgotten: ids of users.
        before: column `user_id`, which becomes null if it is one of these, and maybe
            `owner_is_forgotten`; column `currency`, null if it is none: earlier versions did not
            mask that, and the key of its pseudonym can be another one now.
    """
    is_gone = is_forgotten(before.user_id, forgotten)
    cleared: dict[str, Value] = {
        "user_id": ibis.ifelse(is_gone, None, before.user_id),
        "currency": ibis.ifelse(is_currency(before.currency), before.currency, None),
    }
    if "owner_is_forgotten" in before.columns:
        cleared["owner_is_forgotten"] = before.owner_is_forgotten | is_gone
    return before.mutate(**cleared)
