"""Values of every type of Arrow as psycopg decodes them, sent as text and in binary: `postgres_types.py URL`."""

import datetime as dt
import math
import sys
from decimal import Decimal

import psycopg

UTC = dt.timezone.utc

# An expression, its type in PostgreSQL, and the value in Python.
VALUES = [
    ("arrow_cast(-7, 'Int8')", "int2", -7),
    ("arrow_cast(200, 'UInt8')", "int2", 200),
    ("arrow_cast(-32768, 'Int16')", "int2", -32768),
    ("arrow_cast(65535, 'UInt16')", "int4", 65535),
    ("arrow_cast(-2147483648, 'Int32')", "int4", -2147483648),
    ("arrow_cast(4294967295, 'UInt32')", "int8", 4294967295),
    ("arrow_cast('-9223372036854775808', 'Int64')", "int8", -9223372036854775808),
    ("arrow_cast('18446744073709551615', 'UInt64')", "numeric", Decimal("18446744073709551615")),
    ("arrow_cast(1.5, 'Float16')", "float4", 1.5),
    ("arrow_cast(-2.25, 'Float32')", "float4", -2.25),
    ("arrow_cast(1e300, 'Float64')", "float8", 1e300),
    ("arrow_cast('NaN', 'Float64')", "float8", math.nan),
    ("arrow_cast('-inf', 'Float32')", "float4", -math.inf),
    ("arrow_cast('-12345.678', 'Decimal128(20, 3)')", "numeric", Decimal("-12345.678")),
    ("arrow_cast('0.00001', 'Decimal128(20, 5)')", "numeric", Decimal("0.00001")),
    (
        "arrow_cast('123456789012345678901234567890123456789012345.5', 'Decimal256(60, 1)')",
        "numeric",
        Decimal("123456789012345678901234567890123456789012345.5"),
    ),
    ("true", "bool", True),
    ("'déjà vu'", "text", "déjà vu"),
    ("arrow_cast('x', 'LargeUtf8')", "text", "x"),
    ("arrow_cast('longer than twelve bytes', 'Utf8View')", "text", "longer than twelve bytes"),
    ("arrow_cast('run', 'RunEndEncoded(\"run_ends\": non-null Int32, \"values\": Utf8)')", "text", "run"),
    ("arrow_cast('word', 'Dictionary(Int32, Utf8)')", "text", "word"),
    ("''", "text", ""),
    ("X'00ff10'", "bytea", b"\x00\xff\x10"),
    ("arrow_cast(X'00ff', 'FixedSizeBinary(2)')", "bytea", b"\x00\xff"),
    ("DATE '1969-12-31'", "date", dt.date(1969, 12, 31)),
    ("arrow_cast('2020-02-29', 'Date64')", "date", dt.date(2020, 2, 29)),
    ("TIMESTAMP '1999-12-31 23:59:59.25'", "timestamp", dt.datetime(1999, 12, 31, 23, 59, 59, 250000)),
    ("arrow_cast('1850-01-01T00:00:00', 'Timestamp(Second, None)')", "timestamp", dt.datetime(1850, 1, 1)),
    (
        "arrow_cast('2020-06-01T12:00:00', 'Timestamp(Millisecond, Some(\"UTC\"))')",
        "timestamptz",
        dt.datetime(2020, 6, 1, 12, tzinfo=UTC),
    ),
    ("arrow_cast('23:59:59.5', 'Time64(Nanosecond)')", "time", dt.time(23, 59, 59, 500000)),
    ("arrow_cast('01:02:03', 'Time32(Second)')", "time", dt.time(1, 2, 3)),
    ("INTERVAL '3 days 4 hours'", "interval", dt.timedelta(days=3, hours=4)),
    ("arrow_cast(90, 'Duration(Second)')", "interval", dt.timedelta(seconds=90)),
    ("[1, NULL, 3]", "int8[]", [1, None, 3]),
    ("['a', 'b,c', 'say \"x\"', '', 'NULL']", "text[]", ["a", "b,c", 'say "x"', "", "NULL"]),
    ("[1.5, -2.5]", "float8[]", [1.5, -2.5]),
    ("arrow_cast([1, 2], 'FixedSizeList(2, Int32)')", "int4[]", [1, 2]),
    ("arrow_cast([1, 2], 'LargeList(Float32)')", "float4[]", [1.0, 2.0]),
    ("[DATE '2020-01-01']", "date[]", [dt.date(2020, 1, 1)]),
    ("named_struct('a', 1, 'b', 'x')", "json", {"a": 1, "b": "x"}),
    ("[[1, 2], [3]]", "json", [[1, 2], [3]]),
    ("MAP {'a': 1}", "json", {"a": 1}),
    ("NULL", "text", None),
    ("CAST(NULL AS double)", "float8", None),
]


def equal(left, right):
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    return type(left) is type(right) and left == right


def main(url):
    with psycopg.connect(url, autocommit=True) as connection:
        for binary in (False, True):
            for expression, name, expected in VALUES:
                cursor = connection.execute(f"SELECT {expression} AS value", binary=binary)
                oid = cursor.description[0].type_code
                base = name.removesuffix("[]")
                info = psycopg.postgres.types[base]
                wanted = info.array_oid if name.endswith("[]") else info.oid
                assert oid == wanted, f"{expression}: type {oid}, not {wanted}"
                value = cursor.fetchone()[0]
                assert equal(expected, value), f"{expression}, binary={binary}: {value!r}, not {expected!r}"
    print(f"{len(VALUES)} types, as text and in binary")


main(sys.argv[1])
