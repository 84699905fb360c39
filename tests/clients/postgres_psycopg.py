"""What psycopg does with a cube: `postgres_psycopg.py URL FILE`, where FILE is the NetCDF of samples.ostia_monthly."""

import io
import struct
import sys
import threading
import time

import netCDF4
import numpy as np
import psycopg
from psycopg.pq import TransactionStatus

CUBE = "samples.ostia_monthly"


def refused(state, run):
    try:
        run()
    except psycopg.Error as error:
        assert error.sqlstate == state, f"{error.sqlstate}: {error}"
        return error
    raise AssertionError(f"no error {state}")


def queries(connection, temperature):
    count, mean = connection.execute(
        f"SELECT count(surface_temperature), avg(surface_temperature) FROM {CUBE}"
    ).fetchone()
    assert count == temperature.count()
    assert abs(mean - temperature.astype("f8").mean()) < 1e-6
    # Values for parameters, as text and in binary, with and without a type.
    for latitude, threshold in ((0.0, 290), (2, 290.5), ("0", None)):
        found = connection.execute(
            f"SELECT count(*) FROM {CUBE} WHERE latitude > %s AND (%s::double IS NULL OR surface_temperature > %s)",
            (latitude, threshold, threshold or 0),
        ).fetchone()[0]
        assert found > 0
    for value in (5, 1 << 40, "text", 1.5, True, b"\x00\xff", None):
        for mark in ("%s", "%b", "%t"):
            found = connection.execute(f"SELECT {mark} AS value", (value,)).fetchone()[0]
            if not isinstance(value, bytes):
                assert found == value or str(value) == str(found), (value, mark, found)
    # The same statement often enough that psycopg prepares it on the server.
    for number in range(8):
        assert connection.execute("SELECT %s::int + 1", (number,), prepare=True).fetchone() == (number + 1,)
    # Many rows, all of them, in the order of the file.
    rows = connection.execute(
        f"SELECT surface_temperature FROM {CUBE} ORDER BY time, latitude, longitude", binary=True
    ).fetchall()
    values = np.array([np.nan if row[0] is None else row[0] for row in rows])
    np.testing.assert_allclose(values, temperature.astype("f8").filled(np.nan).ravel(), rtol=1e-6)
    print(f"queries: {len(rows)} rows equal those of the file")


def cursors(connection):
    with connection.transaction():
        with connection.cursor(name="stream") as cursor:
            cursor.itersize = 1000
            cursor.execute("SELECT value FROM generate_series(1, 5500)")
            assert [column.name for column in cursor.description] == ["value"]
            assert [row[0] for row in cursor] == list(range(1, 5501))
        # A cursor over more rows than there is memory for: only those that are fetched are made.
        with connection.cursor(name="endless") as cursor:
            cursor.execute("SELECT value FROM generate_series(1, 1000000000000)")
            assert cursor.fetchmany(3) == [(1,), (2,), (3,)]
            cursor.scroll(10)
            assert cursor.fetchone() == (14,)
    print("cursors: rows come as they are fetched")


def transactions(connection):
    connection.autocommit = False
    status = lambda: connection.info.transaction_status
    assert status() == TransactionStatus.IDLE
    connection.execute("SELECT 1")
    assert status() == TransactionStatus.INTRANS
    refused("42P01", lambda: connection.execute("SELECT * FROM nowhere"))
    assert status() == TransactionStatus.INERROR
    refused("25P02", lambda: connection.execute("SELECT 1"))
    connection.rollback()
    assert status() == TransactionStatus.IDLE
    with connection.transaction():
        try:
            with connection.transaction():
                connection.execute("SELECT 1/0")
        except psycopg.errors.DivisionByZero:
            pass
        assert connection.execute("SELECT 2").fetchone() == (2,)
    connection.rollback()
    connection.autocommit = True
    print("transactions: I, T, E, savepoints")


def errors(connection):
    error = refused("42703", lambda: connection.execute(f"SELECT surface_temperatur FROM {CUBE}"))
    assert error.diag.statement_position == "8", error.diag.statement_position
    assert "surface_temperature" in error.diag.message_hint
    error = refused("42601", lambda: connection.execute("SELECT 1 +"))
    refused("22P02", lambda: connection.execute("SELECT %s::int", ("one",)))
    print("errors: states, places, hints")


def settings(connection):
    connection.execute("SET application_name TO 'test'")
    assert connection.execute("SHOW application_name").fetchone() == ("test",)
    assert connection.info.parameter_status("application_name") == "test"
    assert connection.execute("SELECT current_setting('application_name')").fetchone() == ("test",)
    connection.execute("SET statement_timeout = '200ms'")
    begun = time.monotonic()
    refused("57014", lambda: connection.execute("SELECT max(value) FROM generate_series(1, 1000000000000)"))
    assert time.monotonic() - begun < 5
    connection.execute("RESET ALL")
    assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
    connection.execute("SET search_path TO samples")
    assert connection.execute("SELECT count(*) > 0 FROM ostia_monthly").fetchone() == (True,)
    connection.execute("RESET search_path")
    # What is shown is what is used, after the transaction, too.
    connection.execute("BEGIN")
    connection.execute("SET search_path TO samples")
    connection.execute("ROLLBACK")
    refused("42P01", lambda: connection.execute("SELECT count(*) FROM ostia_monthly"))
    connection.execute("BEGIN READ ONLY")
    assert connection.execute(f"SELECT count(*) > 0 FROM {CUBE}").fetchone() == (True,)
    refused("25006", lambda: connection.execute("CREATE VIEW never AS SELECT 1"))
    connection.execute("ROLLBACK")
    assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)
    connection.execute("SET ROLE NONE")
    refused("0A000", lambda: connection.execute("SET ROLE somebody"))
    print("settings: set, shown, obeyed")


def cancelling(connection):
    for query in (
        "SELECT max(value) FROM generate_series(1, 1000000000000)",
        "SELECT value FROM generate_series(1, 1000000000000)",
    ):
        started = threading.Event()
        cancelled = []

        def cancel():
            started.wait()
            cancelled.append(time.monotonic())
            connection.cancel_safe()

        thread = threading.Thread(target=cancel)
        thread.start()

        def run():
            if "max" in query:
                threading.Timer(0.2, started.set).start()
                connection.execute(query)
            else:
                for row in connection.cursor().stream(query):
                    started.set()

        refused("57014", run)
        taken = time.monotonic() - cancelled[0]
        thread.join()
        assert taken < 1, f"cancelled after {taken} s"
        assert connection.execute("SELECT 1").fetchone() == (1,)
    print("cancelling: within a second, while it computes and while it streams")


def copying(connection):
    query = "SELECT value AS number, CASE WHEN value = 2 THEN NULL ELSE 'a\t\"b\"\\c' END AS word FROM generate_series(1, 3)"

    def copied(options):
        with connection.cursor().copy(f"COPY ({query}) TO STDOUT {options}") as copy:
            return b"".join(bytes(part) for part in copy)

    assert copied("") == b'1\ta\\t"b"\\\\c\n2\t\\N\n3\ta\\t"b"\\\\c\n'
    assert copied("(FORMAT csv, HEADER)") == b'number,word\n1,"a\t""b""\\c"\n2,\n3,"a\t""b""\\c"\n'
    assert copied("WITH CSV DELIMITER ';' NULL 'none'").startswith(b'1;"a')
    data = io.BytesIO(copied("(FORMAT binary)"))
    assert data.read(19) == b"PGCOPY\n\xff\r\n\0" + bytes(8)
    assert struct.unpack("!hiqi", data.read(18)) == (2, 8, 1, 7)
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int8", "text"])
        assert list(copy.rows()) == [(1, 'a\t"b"\\c'), (2, None), (3, 'a\t"b"\\c')]
    with connection.cursor().copy(f"COPY {CUBE} TO STDOUT (FORMAT csv)") as copy:
        lines = b"".join(bytes(part) for part in copy).count(b"\n")
    assert lines == connection.execute(f"SELECT count(*) FROM {CUBE}").fetchone()[0]
    refused("42P01", lambda: connection.execute("COPY public.t FROM STDIN"))
    refused("22023", lambda: connection.execute("COPY public.t TO STDOUT (FORMAT xml)"))
    print(f"copying: text, CSV, binary; {lines} rows of a cube")


def pipelines(connection):
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (number,)) for number in range(20)]
    assert [cursor.fetchone()[0] for cursor in cursors] == list(range(20))
    print("pipelines: twenty statements at once")


def main(url, file):
    with netCDF4.Dataset(file) as data:
        temperature = data["surface_temperature"][:]
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.info.server_version == 150000
        queries(connection, temperature)
        cursors(connection)
        transactions(connection)
        errors(connection)
        settings(connection)
        cancelling(connection)
        copying(connection)
        pipelines(connection)
        # Several statements in one message: the last one's result, and no half answers.
        cursor = connection.execute("SELECT 1; SELECT 2, 3; SHOW TimeZone")
        assert cursor.fetchone() == (1,)
        assert cursor.nextset() and cursor.fetchone() == (2, 3)
        assert cursor.nextset() and cursor.fetchone() == ("UTC",)
        assert not cursor.nextset()


main(*sys.argv[1:])
