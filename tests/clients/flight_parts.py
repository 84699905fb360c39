"""The rows of a large result in parts, which several readers take at the same time. Arguments: URL, folder.

The server has four threads, and a place for one query at a time.
"""

import sys
import threading

import adbc_driver_flightsql.dbapi as adbc
import pyarrow as pa
import pyarrow.flight as flight

from flight_sql import FAILURES, command_line, connect, fetch, info, refused
from http_door import until
from protocol_buffers import field

url, folder = sys.argv[1:]
CUBE = 'olci."cube-1-250-250"'
KEYS = [("time", "ascending"), ("lat", "ascending"), ("lon", "ascending")]
LARGE = [
    f"SELECT time, lat, lon, conc_chl FROM {CUBE} WHERE lat < 50.8",
    f"SELECT time, lat, lon, conc_chl * 2 AS twice, CAST(lat AS INT) AS whole FROM {CUBE} WHERE conc_chl > 3 AND lon < 2",
    f"SELECT a.time, a.lat, a.lon, a.conc_chl - b.conc_tsm AS less FROM {CUBE} a JOIN {CUBE} b"
    " ON a.time = b.time AND a.lat = b.lat AND a.lon = b.lon WHERE a.lat < 50.5",
]
WHOLE = [
    f"SELECT time, lat, lon, conc_chl FROM {CUBE} ORDER BY time, lat DESC, lon",
    f"SELECT time, lat, lon, conc_chl FROM {CUBE} LIMIT 3000000",
    f"SELECT time, count(*) AS cells FROM {CUBE} GROUP BY time",
    f"SELECT lat FROM {CUBE} UNION ALL SELECT lon FROM {CUBE}",
    f"SELECT DISTINCT conc_chl FROM {CUBE}",
    f"SELECT conc_chl, count(*) OVER () AS rows FROM {CUBE}",
    f"SELECT lat FROM {CUBE} WHERE lon < 0.1 AND time < '2017-01-17'",
    "SELECT value FROM generate_series(1, 10000000)",
    f"EXPLAIN SELECT * FROM {CUBE}",
]


def login(name):
    client = connect(url)
    return client, flight.FlightCallOptions(headers=[client.authenticate_basic_token(name, f"the word of {name}")])


def is_free():
    """Is there a place for a query?"""
    try:
        return fetch(bob, "SELECT 1 AS one", as_bob)["one"].to_pylist() == [1]
    except FAILURES as error:
        assert "queue_timeout" in str(error), error
        return False


ada, as_ada = login("ada")
bob, as_bob = login("bob")
fetch(ada, "SET cube.part_bytes = 1000000", as_ada)


def in_parts(query):
    """The tickets of a large result."""
    answer = info(ada, query, as_ada)
    assert len(answer.endpoints) == 4 and not answer.ordered, (query, answer)
    return answer, [endpoint.ticket for endpoint in answer.endpoints]


def taken_by(ticket, tables):
    client = connect(url)
    tables.append(client.do_get(ticket, as_ada).read_all())
    client.close()


expected = {query: command_line(folder, query).sort_by(KEYS) for query in LARGE}
with adbc.connect(
    url, db_kwargs={"username": "ada", "password": "the word of ada"}, autocommit=True
) as connection, connection.cursor() as cursor:
    cursor.execute("SET cube.part_bytes = 1000000")
    cursor.fetchall()
    for query in LARGE:
        cursor.execute(query)
        answer = cursor.fetch_arrow_table()
        assert answer.num_rows > 10_000, (query, answer.num_rows)
        assert answer.sort_by(KEYS).equals(expected[query]), query

# Readers with connections of their own, all at the same time, and one after the other.
for query in LARGE:
    for together in (True, False):
        _, tickets = in_parts(query)
        tables, readers = [], []
        for ticket in tickets:
            readers.append(threading.Thread(target=taken_by, args=(ticket, tables)))
            readers[-1].start()
            if not together:
                readers[-1].join()
        for reader in readers:
            reader.join()
        assert len(tables) == 4, query
        assert all(table.num_rows < len(expected[query]) for table in tables), query
        assert pa.concat_tables(tables).sort_by(KEYS).equals(expected[query]), query
        refused("was used before", lambda: ada.do_get(tickets[0], as_ada).read_all())

# All parts are one statement, and are done when they all are.
listed = fetch(ada, "SELECT state, rows, statement FROM cube.queries ORDER BY query DESC", as_ada).to_pylist()
for query in LARGE:
    found = [(entry["state"], entry["rows"]) for entry in listed if entry["statement"] == query and entry["rows"] > 0]
    assert found == [("done", len(expected[query]))] * len(found) and len(found) >= 3, (query, found)

# What has an order or an end, comes of all rows, or is small, comes whole.
for query in WHOLE:
    answer = info(ada, query, as_ada)
    assert len(answer.endpoints) == 1 and answer.ordered, (query, answer)
fetch(ada, "SET cube.part_bytes = 0", as_ada)
assert len(info(ada, LARGE[0], as_ada).endpoints) == 1
fetch(ada, "SET cube.part_bytes = 1000000", as_ada)

# A ticket is of use to nobody else.
_, tickets = in_parts(LARGE[0])
refused("was used before", lambda: bob.do_get(tickets[0], as_bob).read_all())

# While a part is being taken the query has its place, and one place is enough for all parts.
everything = f"SELECT * FROM {CUBE}"
_, tickets = in_parts(everything)
readers = [ada.do_get(ticket, as_ada) for ticket in tickets[:2]]
for reader in readers:
    assert len(reader.read_chunk().data) > 0
assert not is_free()
readers[0].cancel()
readers[1].read_chunk()
assert not is_free()
refused("was fetched before", lambda: ada.do_get(tickets[0], as_ada).read_all())
# Parts that nobody takes keep no place, and can be taken later.
readers[1].cancel()
del readers, reader
until(is_free, "the place of a query is given back though parts of it are left")
reader = ada.do_get(tickets[3], as_ada)
assert len(reader.read_chunk().data) > 0
assert not is_free()
reader.cancel()
until(is_free, "the place is given back again")

# One call cancels all parts, those that are still to be taken, too.
answer, tickets = in_parts(everything)
readers = [ada.do_get(ticket, as_ada) for ticket in tickets[:2]]
for reader in readers:
    reader.read_chunk()
(result,) = ada.do_action(flight.Action("CancelFlightInfo", field(1, answer.serialize())), as_ada)
assert result.body.to_pybytes() == b"\x08\x01", result.body.to_pybytes()


def read_on(reader):
    while True:
        reader.read_chunk()


for reader in readers:
    refused("as its client asked", lambda: read_on(reader))
refused("has expired", lambda: ada.do_get(tickets[2], as_ada).read_all())
until(is_free, "the place of a query that was cancelled is free")

# Plans that nobody fetches give way.
_, tickets = in_parts(LARGE[0])
for _ in range(101):
    in_parts(LARGE[0])
refused("has expired", lambda: ada.do_get(tickets[0], as_ada).read_all())
print("ok")
