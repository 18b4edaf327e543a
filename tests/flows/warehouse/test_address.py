"""URLs as they are shown: whatever a password is made of, it is not."""

import pytest
from pydantic import SecretStr

from flows.warehouse.address import has_password, shown, with_password


@pytest.mark.parametrize(
    ("url", "as_shown"),
    [
        ("postgresql://me:hunter2@host:5432/db", "postgresql://me@host:5432/db"),
        ("postgres://me:hun:ter2@[::1]:5432/db?a=b", "postgres://me@[::1]:5432/db?a=b"),
        ("postgresql://me:hunter2@host:x/db", "postgresql://me@host:x/db"),
        ("postgresql://me:hunter@2@h1:1,h2:2/db", "postgresql://me@h1:1,h2:2/db"),
        (
            "postgresql://host/db?password=hunter2&sslmode=require",
            "postgresql://host/db?sslmode=require",
        ),
        ("postgresql://host/db?user=me&SSLPASSWORD=hunter2", "postgresql://host/db?user=me"),
        ("postgresql://host/db?pass%77ord=hunter2", "postgresql://host/db"),
        # Here the password looks like a port, a database, or options.
        ("postgresql://me:hunter2/x@host/db", "postgresql://…"),
        ("postgresql://me:hunter2?x@host/db", "postgresql://…"),
        ("postgresql://me:1?hunter2@host/db", "postgresql://…"),
        ("postgresql://me:a@b?hunter2@host/db", "postgresql://…"),
        ("postgresql://me:hunter2/db", "postgresql://…"),
        ("mysql://me:hunter2@host/db", "mysql://…"),
        ("postgressql://me:hunter2@host/db", "postgressql://…"),
        ("http://me:hunter2@host/api", "http://…"),
        ("postgresql://host/db password=hunter2", "postgresql://…"),
        ("host=db dbname=sales password=hunter2", "…"),
        ("host=db password=a://hunter2", "…"),
        ("user='me'sslPassword = hunter2", "…"),
        ("Server=db;Pwd=hunter2", "…"),
        ("postgresql:/me:hunter2@host/db", "…"),
    ],
)
def test_a_password_is_not_shown(url, as_shown):
    assert shown(url) == as_shown
    assert "hunter2" not in shown(url)
    assert has_password(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@host:5432/db?sslmode=require&options=-c%20a%3Db",
        "postgresql://host/db?user=me@corp",
        "postgresql:///db?host=/tmp/socket",
        "postgresql://",
        "duckdb:///home/me:x@corp/sales.duckdb",
        "data/sample",
        "~me@corp/export",
        "exports/month=2024-06-01",
        "service=crm/My export, host=eu1",
        "http://127.0.0.1:4200/api",
    ],
)
def test_what_holds_no_password_is_shown_as_it_is(url):
    assert shown(url) == url
    assert not has_password(url)


@pytest.mark.parametrize("password", ["hunter2", "a/b?c@d&e=f#g%41 ü"])
@pytest.mark.parametrize("url", ["postgresql://me@host/db", "postgresql:///db?host=/tmp&user=me"])
def test_a_password_that_is_added_is_not_shown_either(url, password):
    added = with_password(url, SecretStr(password))
    assert added != url
    assert shown(added) == url


@pytest.mark.parametrize("url", ["duckdb://sales.duckdb", "data/sample"])
def test_only_postgresql_gets_a_password(url):
    assert with_password(url, SecretStr("hunter2")) == url
