"""Prepared statements and their parameters. Arguments: URL, folder."""

import sys

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager
import pyarrow as pa

url, folder = sys.argv[1:]


def rows(cursor, query, parameters=None):
    cursor.execute(query, parameters)
    return cursor.fetchall()


with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
    assert rows(cursor, "SELECT $1 + 1 AS x, $2 AS y, $3 AS z", (41, "it's", None)) == [(42, "it's", None)]
    series = "SELECT value FROM generate_series(1, 9) WHERE value > $1 AND value < $2 ORDER BY value"
    for low, high in [(1, 4), (5, 7), (9, 1)]:
        assert rows(cursor, series, (low, high)) == [(n,) for n in range(low + 1, high)]
    query = 'SELECT count(*) FROM olci."cube-1-250-250" WHERE lat BETWEEN $1 AND $2 AND time >= $3'
    cursor.execute("SELECT time FROM olci.\"cube-1-250-250\" GROUP BY time ORDER BY time")
    second = cursor.fetch_arrow_table()["time"][1]
    moment = pa.table({"1": [51.0], "2": [51.1], "3": pa.array([second])})
    cursor.execute(query, moment)
    bound = cursor.fetchall()
    written = query.replace("$1", "51.0").replace("$2", "51.1").replace("$3", f"TIMESTAMP '{second.as_py()}'")
    assert bound == rows(cursor, written) and bound[0][0] > 0, bound

    # Several rows of values are several executions, whose rows follow one another.
    many = pa.table({"1": [1, 7, 5], "2": [4, 9, 5]})
    assert rows(cursor, series, many) == [(2,), (3,), (8,)]

    schema = cursor.adbc_prepare("SELECT value FROM generate_series(1, 9) WHERE value > $1 AND $2 = 'x'")
    assert [str(field.type) for field in schema] == ["int64", "string"], schema
    assert cursor.adbc_prepare("SELECT 1") is None or len(cursor.adbc_prepare("SELECT 1")) == 0

    # A statement without columns of its own, and one that makes something.
    target = f"{folder}/made.zarr"
    made = f"COPY (SELECT * FROM olci.\"cube-1-250-250\" WHERE lat < 50.1 AND lon < 0.1) TO '{target}'"
    statement = cursor.adbc_statement
    for text in ("SET datafusion.execution.batch_size = 1000", made):
        statement.set_sql_query(text)
        assert statement.execute_update() == -1
    assert rows(cursor, "SHOW datafusion.execution.batch_size")[0][1] == "1000"
    assert rows(cursor, f"SELECT count(*) > 0 FROM '{target}'") == [(True,)]

    for wrong, state in [("SELECT $1 + $2", "INVALID_ARGUMENT"), ("SELEC", "INVALID_ARGUMENT"),
                         ("SELECT * FROM olci.nothing", "NOT_FOUND")]:
        try:
            rows(cursor, wrong, (1,))
        except adbc_driver_manager.Error as error:
            assert str(error).startswith(state), error
        else:
            raise AssertionError(f"{wrong} ran")
print("ok")
