"""The same answers by ADBC, by pyarrow's Flight and on the command line, for many types. Arguments: URL, folder."""

import sys

import adbc_driver_flightsql.dbapi as adbc
import pyarrow as pa
import pyarrow.flight as flight

from flight_sql import command_line, fetch, info

url, folder = sys.argv[1:]

QUERIES = [
    "SELECT 1 AS a, 'x' AS b, NULL AS nothing, 1.5 AS real, true AS yes, X'00ff' AS bytes",
    "SELECT * FROM (VALUES (1, 'a'), (NULL, NULL), (3, 'c')) AS t(number, word)",
    "SELECT arrow_cast(value * 1000000007, 'Timestamp(Second, None)') AS s,"
    " arrow_cast(value, 'Timestamp(Millisecond, None)') AS ms,"
    " arrow_cast(value, 'Timestamp(Microsecond, Some(\"UTC\"))') AS us,"
    " arrow_cast(value, 'Timestamp(Nanosecond, Some(\"+02:00\"))') AS ns,"
    " arrow_cast(value, 'Date32') AS day, arrow_cast(value, 'Time64(Microsecond)') AS clock,"
    " arrow_cast(value, 'Duration(Millisecond)') AS span, INTERVAL '1' MONTH AS month"
    " FROM generate_series(-2, 2) ORDER BY value",
    "SELECT arrow_cast(value, 'Int8') AS i8, arrow_cast(value, 'UInt16') AS u16, arrow_cast(value, 'Float32') AS f32,"
    " arrow_cast(value, 'Decimal128(20, 3)') AS d128, arrow_cast(value, 'Decimal256(50, 3)') AS d256"
    " FROM generate_series(0, 100) ORDER BY value",
    "SELECT arrow_cast(concat('word ', value % 7), 'Dictionary(Int32, Utf8)') AS word,"
    " arrow_cast(concat('view ', value), 'Utf8View') AS view, arrow_cast(concat('l', value), 'LargeUtf8') AS large"
    " FROM generate_series(1, 100000) ORDER BY value",
    "SELECT make_array(value, NULL, value + 1) AS list, named_struct('a', value, 'b', concat('x', value)) AS struct,"
    " MAP {'k': value} AS map, make_array(named_struct('z', make_array(value))) AS deep"
    " FROM generate_series(1, 1000) ORDER BY value",
    "SELECT value FROM generate_series(1, 10) WHERE value > 100",
    "SELECT repeat('long', 100000 + CAST(value AS INT)) AS text FROM generate_series(1, 40) ORDER BY value",
    "SELECT lag(value) OVER (ORDER BY value) AS before, sum(value) OVER () AS total FROM generate_series(1, 9) ORDER BY 1",
    "SELECT a.value, b.value AS other FROM generate_series(1, 4) a LEFT JOIN generate_series(3, 6) b USING (value)"
    " ORDER BY 1",
    "SELECT value FROM generate_series(1, 3) UNION ALL SELECT NULL ORDER BY 1",
    "SELECT count(*) FROM generate_series(1, 1000000)",
    'SELECT * FROM olci."cube-1-250-250" WHERE lat < 51.1 AND lon < 1 ORDER BY time, lat DESC, lon',
    'SELECT time, avg(conc_chl) AS mean, count(*) AS cells FROM olci."cube-5-100-200" GROUP BY time ORDER BY time',
    "SELECT * FROM cube.tables ORDER BY 1, 2",
    "SHOW TABLES",
    "EXPLAIN SELECT 1",
]



def plain(table):
    """The same values, whatever the numbers that dictionaries give them."""
    types = [t.value_type if pa.types.is_dictionary(t) else t for t in table.schema.types]
    return table.cast(pa.schema(list(zip(table.schema.names, types))))


client = flight.connect(url)
with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
    for query in QUERIES:
        expected = command_line(folder, query)
        cursor.execute(query)
        # ADBC itself compares the columns that were promised with those that come.
        for way, answer in [("ADBC", cursor.fetch_arrow_table()), ("Flight", fetch(client, query))]:
            assert answer.schema.equals(expected.schema), f"{way}: {query}\n{answer.schema}\n{expected.schema}"
            assert plain(answer).equals(plain(expected)), f"{way}: {query}: other rows"
        promised = info(client, query).schema
        assert promised.equals(expected.schema, check_metadata=True), f"{query}\n{promised}\n{expected.schema}"
        assert cursor.adbc_execute_schema(query).equals(expected.schema), query

    cursor.execute("SELECT value, value * 0.5 AS half FROM generate_series(1, 1000000)")
    rows, total = 0, 0
    for batch in cursor.fetch_record_batch():
        assert batch.nbytes < 4 << 20, batch.nbytes
        rows, total = rows + len(batch), total + sum(batch["value"].to_pylist())
    assert (rows, total) == (1_000_000, 500_000_500_000), (rows, total)

# Compressed messages hold the same rows.
query = QUERIES[4]
for compression in ("lz4", "zstd"):
    options = flight.FlightCallOptions(headers=[(b"graticule-compression", compression.encode())])
    assert plain(fetch(client, query, options)).equals(plain(command_line(folder, query))), compression
print("ok")
