"""Sessions: settings stay with whoever made them. Arguments: URL, and others that are not needed."""

import sys
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_flightsql.dbapi as adbc
import pyarrow.flight as flight

from flight_sql import fetch

url = sys.argv[1]
SHOW = "SHOW datafusion.execution.batch_size"


def setting(cursor):
    cursor.execute(SHOW)
    return cursor.fetchone()[1]


def connect(name):
    return adbc.connect(url, db_kwargs={"username": name, "password": "p"}, autocommit=True)


with connect("a") as one, connect("b") as two, one.cursor() as first, two.cursor() as second:
    before = setting(second)
    first.execute("SET datafusion.execution.batch_size = 77")
    first.fetchall()
    assert (setting(first), setting(second)) == ("77", before)
    first.execute("USE olci")
    first.fetchall()
    first.execute('SELECT count(*) FROM "cube-1-250-250"')
    assert first.fetchone() == (10_000_000,)
    try:
        second.execute('SELECT count(*) FROM "cube-1-250-250"')
        raise AssertionError("USE has leaked")
    except adbc.ProgrammingError:
        pass

# A token is a session, whatever the connection; it ends when it is closed.
client, other = flight.connect(url), flight.connect(url)
token = flight.FlightCallOptions(headers=[client.authenticate_basic_token("u", "p")])
fetch(client, "SET datafusion.execution.batch_size = 78", token)
assert fetch(other, SHOW, token)["value"].to_pylist() == ["78"]
assert fetch(other, SHOW)["value"].to_pylist() == [before]
(closed,) = client.do_action(flight.Action("CloseSession", b""), token)
assert closed.body.to_pybytes() == b"\x08\x01"
assert fetch(other, SHOW, token)["value"].to_pylist() == [before]

# Clients that never close their sessions lock nobody out: the one that was unused for longest gives way.
kept, lost = (flight.FlightCallOptions(headers=[client.authenticate_basic_token("u", "p")]) for _ in range(2))
for options in (lost, kept):
    fetch(client, "SET datafusion.execution.batch_size = 79", options)
for number in range(1100):
    client.authenticate_basic_token("u", "p")
    if number % 50 == 0:
        assert fetch(client, SHOW, kept)["value"].to_pylist() == ["79"]
assert fetch(client, SHOW, lost)["value"].to_pylist() == [before]


def visit(number):
    with connect(f"user {number}") as connection, connection.cursor() as cursor:
        cursor.execute(f"SET datafusion.execution.batch_size = {number + 1}")
        cursor.fetchall()
        cursor.execute(f"SELECT sum(value) FROM generate_series(1, {number})")
        assert cursor.fetchone()[0] == (number * (number + 1) // 2 or None)
        return int(setting(cursor))


with ThreadPoolExecutor(16) as pool:
    assert list(pool.map(visit, range(100))) == [number + 1 for number in range(100)]
print("ok")
