"""A server that is stopped while clients fetch from it, and while others do nothing. Arguments: URL, its process."""

import os
import signal
import sys

import pyarrow.flight as flight

from flight_sql import fetch, info

url, process = sys.argv[1], int(sys.argv[2])
WIDE = "SELECT value, repeat('x', 1000) AS text FROM generate_series(1, 2000000000)"

busy, idle = flight.connect(url), flight.connect(url, generic_options=[("grpc.use_local_subchannel_pool", 1)])
assert fetch(idle, "SELECT 1 AS one")["one"].to_pylist() == [1]
reader = busy.do_get(info(busy, WIDE).endpoints[0].ticket)
reader.read_chunk()
os.kill(process, signal.SIGTERM)
try:
    while True:
        reader.read_chunk()
except flight.FlightUnavailableError as error:
    assert "the server stops" in str(error), error
try:
    fetch(idle, "SELECT 1")
    raise AssertionError("it still answers")
except flight.FlightUnavailableError:
    pass
print("ok")
