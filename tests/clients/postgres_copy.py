"""Rows that clients copy into a cube: `postgres_copy.py URL`, with the store `lake`, which may be written to."""

import asyncio
import datetime as dt
import io
import sys

import asyncpg
import psycopg

MAKE = """
CREATE TABLE lake.points WITH (dims = 'id', chunks = 'id=10000') AS SELECT value AS id, CAST(value AS double) AS a, CAST(value AS real) AS b,
CAST(value AS int) AS c, to_timestamp_seconds(value) AS t, CAST('x' AS text) AS s, true AS ok FROM generate_series(0, 1)
"""
DAY = dt.datetime(2020, 2, 29, 12)


def refused(state, run, *parts):
    try:
        run()
    except psycopg.Error as error:
        assert error.sqlstate == state, f"{error.sqlstate}: {error}"
        assert all(part in str(error) for part in parts), str(error)
        return
    raise AssertionError(f"no error {state}")


def copy(connection, statement, *pieces):
    cursor = connection.cursor()
    with cursor.copy(statement) as copying:
        for piece in pieces:
            copying.write(piece)
    return cursor.statusmessage


def rows(connection, where):
    return connection.execute(f"SELECT * FROM lake.points WHERE {where} ORDER BY id").fetchall()


def count(connection):
    return connection.execute("SELECT count(*) FROM lake.points").fetchone()[0]


def formats(connection):
    assert copy(connection, "COPY lake.points (id, a, s) FROM STDIN", b"10\t1.", b"5\t\\N\n1", b"1\t\\N\ta\\tb\n") == "COPY 2"
    found = rows(connection, "id IN (10, 11)")
    assert found == [(10, 1.5, None, None, None, "", None), (11, None, None, None, None, "a\tb", None)], found
    text = b'id,ok,t,s\r\n12,t,2020-02-29 12:00:00,"a, ""b"""\r\n13,f,,""\r\n'
    assert copy(connection, "COPY lake.points (id, ok, t, s) FROM STDIN (FORMAT csv, HEADER match)", text) == "COPY 2"
    found = [(row[6], row[4], row[5]) for row in rows(connection, "id IN (12, 13)")]
    assert found == [(True, DAY, 'a, "b"'), (False, None, "")], found
    # Rows of Python, as text and in binary, through the simple protocol and the extended one.
    whole = (14, 2.5, -1.25, 7, DAY, "é", False)
    with connection.cursor().copy("COPY lake.points FROM STDIN") as copying:
        copying.write_row(whole)
    with connection.cursor().copy("COPY lake.points FROM STDIN (FORMAT binary)") as copying:
        copying.set_types(["int8", "float8", "float4", "int4", "timestamp", "text", "bool"])
        copying.write_row((15, *whole[1:]))
        copying.write_row((16, *[None] * 6))
    # Zarr knows no text that is missing.
    empty = (16, None, None, None, None, "", None)
    assert rows(connection, "id BETWEEN 14 AND 16") == [whole, (15, *whole[1:]), empty]
    # What is copied out can be copied in.
    with connection.cursor().copy("COPY (SELECT id + 20 AS id, a, b, c, t, s, ok FROM lake.points WHERE id > 9) TO STDOUT") as copying:
        written = b"".join(bytes(part) for part in copying)
    assert copy(connection, "COPY lake.points FROM STDIN", written) == "COPY 7"
    assert [row[1:] for row in rows(connection, "id BETWEEN 30 AND 36")] == [row[1:] for row in rows(connection, "id BETWEEN 10 AND 16")]
    assert copy(connection, "COPY lake.points FROM STDIN") == "COPY 0"
    # Cells of both batches and of the cube before, more than once through the disk.
    lines = b"".join(b"%d\t%d.5\n" % (number, number) for number in range(1000, 41000))
    assert copy(connection, "COPY lake.points (id, a) FROM STDIN", lines) == "COPY 40000"
    found = connection.execute("SELECT count(*), sum(a) FROM lake.points WHERE id >= 1000").fetchone()
    assert found == (40000, sum(number + 0.5 for number in range(1000, 41000))), found
    print("formats: text, CSV, binary; many rows")


def mistakes(url, connection):
    before = count(connection)
    for state, statement, data, *parts in (
        ("22P04", "COPY lake.points (id, a) FROM STDIN", b"50\t1\n51\n", "COPY lake.points, line 2"),
        ("22P04", "COPY lake.points (id, a) FROM STDIN", b"50\t1\n51\t1\t1\n", "line 2"),
        ("22P02", "COPY lake.points (id, a) FROM STDIN", b"50\t1\n51\tone\n", "line 2, column a", '"one"'),
        ("22P02", "COPY lake.points (id, c) FROM STDIN CSV", b"50,1\n51,99999999999\n", "line 2, column c"),
        ("22021", "COPY lake.points (id, s) FROM STDIN", b"50\t\xff\n", "line 1, column s"),
        ("22P04", "COPY lake.points (id, a) FROM STDIN (FORMAT binary)", b"50\t1\n", "line 1"),
        ("42P01", "COPY lake.nothing FROM STDIN", b"", "lake.nothing"),
        ("42P01", "COPY public.t FROM STDIN", b""),
        ("42703", "COPY lake.points (id, aa) FROM STDIN", b"", "did you mean a"),
        ("42703", "COPY lake.points (id, a) FROM STDIN (FORMAT csv, FORCE_NULL (b))", b""),
        ("22023", "COPY lake.points (id) FROM STDIN (ENCODING 'LATIN1')", b""),
    ):
        for _ in range(2):
            refused(state, lambda: copy(connection, statement, data), *parts)
            assert connection.execute("SELECT 1").fetchone() == (1,)
    # A dimension that is left out, a cell that is there, one that comes twice.
    for statement, data in (
        ("COPY lake.points (a) FROM STDIN", b"1\n"),
        ("COPY lake.points (id, a) FROM STDIN", b"50\t1\n10\t1\n"),
        ("COPY lake.points (id, a) FROM STDIN", b"50\t1\n50\t2\n"),
    ):
        try:
            copy(connection, statement, data)
        except psycopg.Error:
            continue
        raise AssertionError(statement)

    def gives_up():
        with connection.cursor().copy("COPY lake.points (id, a) FROM STDIN") as copying:
            copying.write(b"50\t1\n")
            raise KeyError("enough")

    try:
        gives_up()
    except KeyError:
        pass
    assert connection.execute("SELECT 1").fetchone() == (1,)
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        try:
            with connection.transaction():
                copy(connection, "COPY lake.points (id, a) FROM STDIN", b"50\t1\n")
        except psycopg.errors.ReadOnlySqlTransaction:
            pass
    # Somebody who vanishes has changed nothing, and neither has somebody who is stopped.
    gone = psycopg.connect(url, user="ada", autocommit=True)
    context = gone.cursor().copy("COPY lake.points (id, a) FROM STDIN")
    context.__enter__().write(b"50\t1\n" * 10)
    gone.pgconn.finish()

    def stopped():
        with connection.cursor().copy("COPY lake.points (id, a) FROM STDIN") as copying:
            copying.write(b"50\t1\n")
            connection.cancel_safe()
            # What is sent after that is left out.
            for _ in range(20):
                copying.write(b"51\t1\n" * 1000)

    refused("57014", stopped)
    assert count(connection) == before
    print("mistakes: told with their line, and nothing is written")


async def with_asyncpg(url):
    host, port = url.split("//")[1].split("/")[0].split(":")
    connection = await asyncpg.connect(host=host, port=int(port), user="ada", database="graticule", ssl=False)
    said = await connection.copy_records_to_table(
        "points", schema_name="lake", columns=["id", "a", "t", "s"], records=[(60, 1.5, DAY, "x"), (61, None, None, None)]
    )
    assert said == "COPY 2", said
    text = io.BytesIO(b"62,2.5\n63,\n")
    said = await connection.copy_to_table("points", schema_name="lake", columns=["id", "a"], source=text, format="csv")
    assert said == "COPY 2", said
    found = await connection.fetch("SELECT id, a, t, s FROM lake.points WHERE id BETWEEN 60 AND 63 ORDER BY id")
    found = [tuple(row) for row in found]
    assert found == [(60, 1.5, DAY, "x"), (61, None, None, ""), (62, 2.5, None, ""), (63, None, None, "")], found
    await connection.close()
    print("asyncpg: records and text")


def main(url):
    with psycopg.connect(url, user="ada", autocommit=True) as connection:
        connection.execute(MAKE)
        formats(connection)
        mistakes(url, connection)
    asyncio.run(with_asyncpg(url))


if __name__ == "__main__":
    main(*sys.argv[1:])
