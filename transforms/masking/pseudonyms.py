"""What becomes of personal values, as expressions. They run in the first SELECT that reads them.

A pseudonym is keyed (HMAC-SHA256, hex): the warehouse supplies it as a function, because the key
must not be part of an expression (it would be in SQL text).
"""

from collections.abc import Callable

import ibis
from ibis.expr.types import StringValue

from transforms.text import code

Pseudonym = Callable[[StringValue], StringValue]

# Fields of the change log whose values are ids or times; a phone number is digits too.
PLAIN_FIELDS = ("add_time", "lost_reason", "stage_id", "user_id")
_ID_OR_TIMESTAMP = r"^[0-9][-+0-9:. TZ]*$"


def masked_name(name: StringValue) -> StringValue:
    """Initials: "Jane van Doe" -> "J*** v*** D***"."""
    return name.strip().re_replace(r"(\S)\S*", r"\1***").re_replace(r"\s+", " ").nullif("")


def email_hash(email: StringValue, pseudonym: Pseudonym) -> StringValue:
    """Pseudonym of the address, trimmed and in lower case."""
    return pseudonym(email.strip().lower())


def masked_log_value(
    value: StringValue, field_key: StringValue, pseudonym: Pseudonym
) -> StringValue:
    """Ids and times of the fields we know stay; all else may be personal ("~" and hex)."""
    is_plain = code(field_key).isin(PLAIN_FIELDS) & value.re_search(_ID_OR_TIMESTAMP)
    masked = "~" + pseudonym(value).substr(0, 16)
    return ibis.cases((is_plain, value), (value.strip() != "", masked))
