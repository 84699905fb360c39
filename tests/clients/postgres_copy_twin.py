"""The same bytes copied into a cube and into a table of PostgreSQL give the same rows, or the same error:
`postgres_copy_twin.py URL`, with the store `lake`, which may be written to."""

import pathlib
import sys

import psycopg

sys.path.append(str(pathlib.Path(__file__).parents[2] / "benches"))
from postgres_copy import MAKE  # noqa: E402
from services import connect, postgres  # noqa: E402

TABLE = "CREATE TABLE points (id bigint, a double precision, b real, c int, t timestamp, s text, ok bool)"
GOOD = (
    ("", b"1\t2.5\t-0\t7\t2020-02-29 12:00:00\tx\tt\n2\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n"),
    ("", b"1\t-1e-3\tInfinity\t-7\t2020-02-29\ta\\tb\\nc\\\\d\\x41\\102\\q\tfalse\r\n2\t 1e3 \t.5\t+1\t2020-01-01 00:00:00\t\tno"),
    ("", b"1\t1\t1\t1\t2020-01-01 00:00:01\ta\\\nb\tyes\n\\.\nnot a row\n"),
    ("(DELIMITER '|', NULL 'NA')", b"1|NA|1|1|NA|\\NA|on\n2|1|2|3|NA|a\tb|off\n"),
    ("(FORMAT csv)", b'1,1,1,1,2020-01-01,"a ""b"", c\nd",1\n2,,,,,"",\n3,,,,,a"b"c"d,e",0\n'),
    ("(FORMAT csv, HEADER, QUOTE '''', ESCAPE '\\', NULL 'no', FORCE_NULL (a))", b"x\n1,'no',1,1,no,'no',t\n2,no,no,no,no,'it\\'s \\\\ \\n',f\n"),
    ("(FORMAT csv, DELIMITER ';')", b'"1";"1.5";"2";3;"2020-01-01 10:00:00";  x  ;true\r\n'),
    ("WITH CSV NULL AS 'x'", b"1,1,1,1,x,,t\n"),
)
BAD = (
    ("", b"1\t1\t1\t1\t2020-01-01\tx\tt\n2\t1\n"),
    ("", b"1\t1\t1\t1\t2020-01-01\tx\tt\tmore\n"),
    ("", b"1\t1\t1\t1\t2020-01-01\tx\tt\n\n"),
    ("", b"1\t1\t1\t1\t2020-01-01\tx\tt\n2\tone\t1\t1\t\\N\tx\tt\n"),
    ("", b"1\t1\t1\t1.5\t2020-01-01\tx\tt\n"),
    ("", b"1\t1\t1\t1\t2020-01-01\tx\tmaybe\n"),
    ("", b"1\t1\t1\t1\t2020-01-01\tx\tt\r\n2\t1\t1\t1\t2020-01-01\tx\tt\n"),
    ("", b"1\t1\t1\t1\t2020-01-01\t\xff\tt\n"),
    ("(FORMAT csv)", b'1,1,1,1,2020-01-01,"x\n\ny",t\n2,1,1,1,2020-01-01,"x,t\n'),
    ("(FORMAT csv)", b'1,1,1,1,2020-01-01,"x\n\ny",t\n2,two,1,1,2020-01-01,x,t\n'),
    ("(FORMAT csv, HEADER match)", b"id,a,b,c,t,s,no\n"),
    ("(FORMAT binary)", b"1\t1\n"),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\x02\0\0\0\x01x\xff\xff\xff\xff"),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\x07\0\0\0\x08"),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xffmore"),
    ("(FORMAT csv, DELIMITER 'ab')", b""),
    ("(FORMAT xml)", b""),
    ("(QUOTE '\"')", b""),
)


def copy(connection, table, options, data):
    """What is said: a tag, or a state and a line."""
    cursor = connection.cursor()
    try:
        with cursor.copy(f"COPY {table} FROM STDIN {options}") as copying:
            copying.write(data)
        return cursor.statusmessage
    except psycopg.Error as error:
        where = error.diag.context or str(error)
        line = where.split(", line ")[1].split(",")[0].split(":")[0] if ", line " in where else ""
        return error.sqlstate, line.strip()


def main(url):
    with postgres() as theirs, psycopg.connect(url, user="ada", autocommit=True) as ours, connect(theirs) as twin:
        ours.execute(MAKE)
        ours.execute("DELETE FROM lake.points WHERE id = 1")
        twin.execute(TABLE)
        rows = lambda connection, table: connection.execute(f"SELECT * FROM {table} WHERE id > 0 ORDER BY id").fetchall()
        both = lambda options, data: (copy(ours, "lake.points", options, data), copy(twin, "points", options, data))
        copied = 0

        def compare(what):
            # Zarr knows no text that is missing.
            told = lambda row: (*row[:5], row[5] or "", row[6])
            found = [told(row) for row in rows(ours, "lake.points")]
            expected = [told(row) for row in rows(twin, "points")]
            assert found == expected, f"{what}:\n{found}\n{expected}"

        for options, data in GOOD:
            found, expected = both(options, data)
            assert found == expected and found.startswith("COPY "), (options, data, found, expected)
            compare((options, data))
            # The same rows in PostgreSQL's binary form.
            with twin.cursor().copy("COPY (SELECT id + 100, a, b, c, t, s, ok FROM points) TO STDOUT (FORMAT binary)") as copying:
                binary = b"".join(bytes(part) for part in copying)
            found, expected = both("(FORMAT binary)", binary)
            assert found == expected and found.startswith("COPY "), (options, found, expected)
            compare((options, "binary"))
            copied += len(rows(twin, "points"))
            ours.execute("DELETE FROM lake.points WHERE id > 0")
            twin.execute("TRUNCATE points")
        for options, data in BAD:
            found, expected = both(options, data)
            assert found[0] == expected[0] or (found[0], expected[0]) in LIKE, (options, data, found, expected)
            assert found[1] == expected[1] or not expected[1], (options, data, found, expected)
            assert rows(ours, "lake.points") == []
        print(f"{copied} rows are those of PostgreSQL, and {len(BAD)} mistakes")


# What PostgreSQL calls a date that is none, an unknown option, and one that does not belong to the format.
LIKE = {
    ("22P02", "22007"),
    ("22023", "42601"),
    ("22023", "0A000"),
    ("22P04", "22P03"),
    # An empty line: too few values, or a number that is none.
    ("22P04", "22P02"),
}

main(*sys.argv[1:])
