"""Sixty-four connections that all work at once: `postgres_busy.py PG HTTP FILE PROCESS`, where FILE is the NetCDF of
samples.ostia_monthly and PROCESS the number of the server's process."""

import pathlib
import random
import re
import sys
import threading

import netCDF4
import numpy as np
import psycopg

from http_door import ask, until

CONNECTIONS = 64
CUBE = "samples.ostia_monthly"
ENDLESS = "SELECT max(value) FROM generate_series(1, 1000000000000)"
# What the process may take beside the memory of its queries: code, threads, buffers of connections.
BESIDE = 640 << 20


class Expected:
    """What the file holds."""

    def __init__(self, file):
        with netCDF4.Dataset(file) as data:
            self.values = data["surface_temperature"][:].astype("f8")
            self.latitudes = data["latitude"][:]


def refused(state, run):
    try:
        run()
    except psycopg.Error as error:
        assert error.sqlstate == state, (state, error)
        return
    raise AssertionError(f"no error {state}")


def work(number, connection, expected):
    """Ten queries, whose answers are those of this connection alone, in an order of its own."""
    values = expected.values
    row = number % len(expected.latitudes)
    latitude = float(expected.latitudes[row])

    def one(statement, *parameters):
        return connection.execute(statement, parameters).fetchone()

    def series():
        found = [value for (value,) in connection.execute(
            f"SELECT avg(surface_temperature) FROM {CUBE} WHERE latitude = %s GROUP BY time ORDER BY time", (latitude,)
        )]
        means = values[:, row].mean(axis=1).filled(np.nan)
        np.testing.assert_allclose([np.nan if value is None else value for value in found], means, rtol=1e-5)

    def counted():
        (found,) = one(f"SELECT count(surface_temperature) FROM {CUBE} WHERE latitude <= %s", latitude)
        assert found == values[:, expected.latitudes <= expected.latitudes[row]].count(), (number, found)

    def heavy():
        count = 200_000 + number
        (found,) = one(f"SELECT sum(value %% 1000) FROM generate_series(1, {count})")
        assert found == int((np.arange(1, count + 1) % 1000).sum()), (number, found)

    def sorted_():
        rows = connection.execute(
            f"SELECT value * {number} FROM generate_series(1, 20000) ORDER BY value % 7, value", binary=True
        ).fetchall()
        numbers = np.arange(1, 20001)
        assert [value for (value,) in rows] == list(numbers[np.lexsort((numbers, numbers % 7))] * number)

    def own():
        assert one("SELECT %s::int, %s::text", number, f"text {number}") == (number, f"text {number}")

    def portions():
        with connection.transaction(), connection.cursor(name=f"c{number}") as cursor:
            cursor.execute(f"SELECT value + {number} FROM generate_series(1, 1000000000000)")
            for _ in range(3):
                assert cursor.fetchmany(2)[0][0] > number
        assert one("SELECT 1") == (1,)

    def copied():
        with connection.cursor().copy(f"COPY (SELECT value, {number} FROM generate_series(1, 5000)) TO STDOUT") as copy:
            lines = b"".join(bytes(part) for part in copy).decode().splitlines()
        assert lines == [f"{value}\t{number}" for value in range(1, 5001)]

    def cancelled():
        timer = threading.Timer(0.3 + random.random(), connection.cancel_safe)
        timer.start()
        refused("57014", lambda: connection.execute(ENDLESS))
        timer.join()

    def wrong():
        refused("22012", lambda: connection.execute(f"SELECT {number} / 0"))

    def unknown():
        refused("42703", lambda: connection.execute(f"SELECT column_{number} FROM {CUBE}"))

    tasks = [series, counted, heavy, sorted_, own, portions, copied, cancelled, wrong, unknown]
    random.Random(number).shuffle(tasks)
    for task in tasks:
        task()


def memory(process, what):
    text = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", text)[1]) << 10


def main(url, http, file, process):
    expected = Expected(file)
    begun = memory(process, "VmRSS")

    def gauge(pattern):
        text = ask(f"{http}/metrics")[2].decode()
        return sum(float(value) for value in re.findall(pattern + r" ([0-9.]+)", text))

    for _ in range(2):
        failures = []

        def client(number, connection):
            try:
                work(number, connection, expected)
            except BaseException as error:
                failures.append((number, repr(error)))

        connections = [psycopg.connect(url, user=f"user{number}", autocommit=True) for number in range(CONNECTIONS)]
        assert gauge(r'graticule_connections\{door="pg"\}') == CONNECTIONS
        threads = [threading.Thread(target=client, args=each) for each in enumerate(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures[:3]
        for connection in connections:
            connection.close()
        # Nothing is left of them.
        until(lambda: gauge(r'graticule_connections\{door="pg"\}') == 0, "connections end")
        until(lambda: gauge(r'graticule_queries_(?:running|waiting)\{door="pg"\}') == 0, "queries end")
        statement = "SELECT count(*) AS n FROM cube.queries WHERE state = 'running' AND door = 'pg'"
        listed = ask(f"{http}/sql?format=csv", statement)[2]
        assert listed.split() == [b"n", b"0"], listed
    most = memory(process, "VmHWM")
    assert most - begun < (512 << 20) + BESIDE, (begun, most)
    print(f"{CONNECTIONS} connections got their own answers; {(most - begun) >> 20} MiB at most")


main(*sys.argv[1:])
