"""Permissions through the door `flight`, with ADBC's driver: `permissions_flight.py FILE`, see permissions.py."""

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager as manager
from adbc_driver_flightsql import DatabaseOptions

from permissions import GRANTED, SECRET, check_lists, check_statements, given

about = given()
plain, open_to_all = about["servers"]


def login(server, **options):
    return adbc.connect(server, db_kwargs=options, autocommit=True)


def basic(name, password):
    return {"username": name, "password": password}


def bearer(key):
    return {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {key}"}


def asker(connection):
    def ask(statement):
        with connection.cursor() as cursor:
            try:
                cursor.execute(statement)
                return repr(cursor.fetch_arrow_table().to_pydict())
            except (manager.Error, OSError) as error:
                return f"{type(error).__name__} {getattr(error, 'sqlstate', '')} {error}"

    return ask


def objects(connection):
    return repr(connection.adbc_get_objects(depth="all").read_all().to_pylist())


opened = {}


def connect(name):
    if name not in opened:
        user = about["users"][name]
        opened[name] = login(plain, **basic(name, user["password"]))
    return asker(opened[name])


connect("boss")
assert "hidden" in objects(opened["boss"])
for name in about["strangers"]:
    check_lists(name, connect)
    check_statements(name, connect, about["folder"])
    connections = [opened[name], login(plain, **bearer(about["users"][name]["key"]))]
    for connection in connections:
        said = objects(connection)
        assert "hidden" not in said and SECRET not in said, (name, said)
        told = []
        for letter in "az":
            try:
                connection.adbc_get_table_schema(f"hidden_{letter}", db_schema_filter="lake")
                raise AssertionError(f"{name} has found hidden_{letter}")
            except manager.Error as error:
                told.append(str(error).replace("hidden_z", "hidden_a"))
        assert told[0] == told[1], (name, told)
    connections[1].close()

with login(open_to_all) as visitor:
    assert "512" in asker(visitor)(GRANTED)
    assert "hidden" not in objects(visitor)
    assert "hush" not in asker(visitor)("SELECT * FROM lake.hidden_a")

users = about["users"]
for options in (
    {},
    basic("reader", "wrong"),
    basic("eve", "wrong"),
    basic("former", users["former"]["password"]),
    bearer(users["former"]["key"]),
    bearer(users["reader"]["key"] + "x"),
):
    try:
        with login(plain, **options) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except manager.Error as error:
        assert error.status_code == manager.AdbcStatusCode.UNAUTHENTICATED, (options, error)
        continue
    raise AssertionError(f"{options} came in")
for connection in opened.values():
    connection.close()
print("ok")
