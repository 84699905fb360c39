"""What stops a query: the client cancels it, goes away, or does not read. Arguments: URL, number of the process."""

import sys
import threading
import time

import adbc_driver_flightsql.dbapi as adbc
import pyarrow.flight as flight

from flight_sql import fetch, info, processor_seconds, resident_bytes
from protocol_buffers import field, fields

url, process = sys.argv[1], int(sys.argv[2])
# Computes for hours, and gives its first row at once, or at the end.
ENDLESS = "SELECT count(*) FROM generate_series(1, 100000000) a CROSS JOIN generate_series(1, 100000000) b WHERE a.value + b.value = 1"
WIDE = "SELECT value, value * 0.5 AS half, repeat('x', 100) AS text FROM generate_series(1, 2000000000)"


def is_idle(limit):
    """Does the server come to rest within so many seconds?"""
    begun = time.monotonic()
    while time.monotonic() - begun < limit:
        before = processor_seconds(process)
        time.sleep(0.25)
        if processor_seconds(process) - before < 0.05:
            return True
    return False


def is_busy():
    begun = time.monotonic()
    while time.monotonic() - begun < 30:
        before = processor_seconds(process)
        time.sleep(0.25)
        if processor_seconds(process) - before > 0.05:
            return True
    return False


assert is_idle(30)

# ADBC cancels.
with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
    timer = threading.Thread(target=lambda: (is_busy(), cursor.adbc_cancel()))
    timer.start()
    try:
        cursor.execute(ENDLESS)
        cursor.fetchall()
        raise AssertionError("it ended")
    except adbc.Error as error:
        assert "CANCEL" in str(error).upper(), error
    timer.join()
    assert is_idle(5), "ADBC's cancel leaves the query running"

# Another call cancels, by the ticket.
client = flight.connect(url)
for action, wrap in [("CancelFlightInfo", lambda i: field(1, i)),
                     ("CancelQuery", lambda i: field(1, "type.googleapis.com/arrow.flight.protocol.sql."
                                                        "ActionCancelQueryRequest") + field(2, field(1, i)))]:
    running = info(client, ENDLESS)
    outcome = []

    def run():
        try:
            outcome.append(client.do_get(running.endpoints[0].ticket).read_chunk())
        except flight.FlightCancelledError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    assert is_busy()
    (result,) = client.do_action(flight.Action(action, wrap(running.serialize())))
    body = result.body.to_pybytes()
    body = dict(fields(body))[2] if action == "CancelQuery" else body
    assert dict(fields(body)) == {1: 1}, body
    thread.join(20)
    assert outcome and "as its client asked" in outcome[0], outcome
    assert is_idle(5), action
    (result,) = client.do_action(flight.Action(action, wrap(running.serialize())))
    body = result.body.to_pybytes()
    body = dict(fields(body))[2] if action == "CancelQuery" else body
    assert dict(fields(body)) == {1: 3}, "what does not run is not cancellable"

# A client that does not read: the server waits, and keeps little.
reader = client.do_get(info(client, WIDE).endpoints[0].ticket)
assert len(reader.read_chunk().data) > 0
assert is_idle(30), "the server goes on though nobody reads"
before = resident_bytes(process)
readers = [client.do_get(info(client, WIDE).endpoints[0].ticket) for _ in range(8)]
for waiting in readers:
    waiting.read_chunk()
assert is_idle(30)
grown = resident_bytes(process) - before
assert grown < 400 << 20, f"{grown} bytes for eight clients that do not read"

# They go away.
for waiting in [reader, *readers]:
    waiting.cancel()
del reader, readers, waiting
assert is_idle(10), "queries outlive their clients"
assert fetch(client, "SELECT 1 AS one").to_pylist() == [{"one": 1}]
print("ok")
