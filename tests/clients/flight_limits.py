"""What a server refuses that is set to two connections and one query of three seconds. Argument: URL."""

import sys

from flight_sql import FAILURES, connect, fetch, info, refused

url = sys.argv[1]
WIDE = "SELECT value, repeat('x', 1000) AS text FROM generate_series(1, 2000000000)"

first, second, third = (connect(url) for _ in range(3))
assert fetch(first, "SELECT 1 AS one")["one"].to_pylist() == [1]
assert fetch(second, "SELECT 1 AS one")["one"].to_pylist() == [1]
refused("too many connections", lambda: fetch(third, "SELECT 1"))

reader = first.do_get(info(first, WIDE).endpoints[0].ticket)
reader.read_chunk()
refused("waited longer than queue_timeout", lambda: fetch(second, "SELECT 1"))
# The first one does not read, and its time passes.


def read_on():
    while True:
        reader.read_chunk()


refused("longer than statement_timeout allows", read_on)
assert fetch(second, "SELECT 1 AS one")["one"].to_pylist() == [1]

first.close()
del first, reader
third.close()
for attempt in range(1000):
    fourth = connect(url)
    try:
        assert fetch(fourth, "SELECT 1 AS one")["one"].to_pylist() == [1]
        break
    except FAILURES as error:
        assert "too many connections" in str(error), error
        fourth.close()
else:
    raise AssertionError("a place that is free is not given on")
print("ok")
