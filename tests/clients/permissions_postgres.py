"""Permissions through the door `pg`, with psycopg: `permissions_postgres.py FILE`, see permissions.py."""

import psycopg

from permissions import GRANTED, LISTS, TELLING, check_lists, check_statements, given

CATALOGUE = [f"SELECT * FROM pg_catalog.{name}" for name in (
    "pg_class", "pg_attribute", "pg_namespace", "pg_tables", "pg_views", "pg_type", "pg_stat_activity", "pg_description",
    "pg_index", "pg_constraint", "pg_settings", "pg_roles", "pg_database", "pg_proc",
)]
about = given()
plain, open_to_all = about["servers"]


def login(server, name, password):
    return psycopg.connect(server, user=name, password=password, autocommit=True)


def asker(connection, binary):
    def ask(statement):
        try:
            cursor = connection.execute(statement, binary=binary)
            return repr((cursor.statusmessage, cursor.description, cursor.fetchall() if cursor.description else None))
        except psycopg.Error as error:
            about = error.diag
            return repr((str(error), about.sqlstate, about.message_detail, about.message_hint, about.statement_position))

    return ask


def connect(binary):
    opened = {}

    def of(name):
        if name not in opened:
            password = about["users"].get(name, {}).get("password")
            server = open_to_all if name == "anonymous" else plain
            opened[name] = asker(login(server, name, password), binary)
        return opened[name]

    return of


for name in about["strangers"]:
    # The simple protocol, then the extended one. Users see their own statements in lists.
    for check, *rest in (
        (check_lists, [*LISTS, *CATALOGUE], [*TELLING, CATALOGUE[0]]),
        (check_statements, about["folder"]),
    ):
        for binary in (False, True):
            check(name, connect(binary), *rest)

visitor = connect(False)("anonymous")
assert "512" in visitor(GRANTED), visitor(GRANTED)
for text in (*LISTS, *CATALOGUE):
    assert "hidden" not in visitor(text), text
assert "42P01" in visitor("SELECT * FROM lake.hidden_a")

for name, password in (
    ("reader", "wrong"),
    ("reader", ""),
    ("eve", "wrong"),
    ("former", about["users"]["former"]["password"]),
    ("anonymous", None),
):
    try:
        login(plain, name, password)
    except psycopg.OperationalError as error:
        said = str(error)
        # Without a password the client itself gives up.
        assert f'password authentication failed for user "{name}"' in said or "no password" in said, said
        continue
    raise AssertionError(f"{name} came in")
print("ok")
