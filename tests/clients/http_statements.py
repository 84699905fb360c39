"""Statements over HTTP: values, errors with their places, and requests that make no sense."""

import gzip
import json
import socket
import sys
import urllib.parse

from http_door import ask, post, problem

url = sys.argv[1]
host, port = url.removeprefix("http://").split(":")
rows = lambda answer: (answer[0], json.loads(answer[2]))

# Values.
for sql, params, expected in [
    ("SELECT $1 + 1 AS a", [41], [{"a": 42}]),
    ("SELECT value AS a FROM generate_series(1, 9) WHERE value = $1", [7], [{"a": 7}]),
    ("SELECT value AS a FROM generate_series(1, 9) WHERE value = $1", ["7"], [{"a": 7}]),
    ("SELECT upper($1) AS a, $2 IS NULL AS b", ["é'; --", None], [{"a": "É'; --", "b": True}]),
    ("SELECT count(*) AS n FROM samples.ostia_monthly WHERE time = $1 AND latitude > $2", ["2006-04-16T00:00:00", 80], None),
]:
    status, found = rows(post(url, sql=sql, params=params))
    assert status == 200, (sql, found)
    assert expected is None or found == expected, (sql, found)
told = problem(post(url, sql="SELECT value FROM generate_series(1, 9) WHERE value = $1", params=[7.5]), 400)
assert told["detail"] == "$1 is of type Int64, and not 7.5", told
told = problem(post(url, sql="SELECT $1 + 1", params=[]), 400)
told = problem(post(url, sql="SELECT 1", params=[1]), 400)
assert "takes 0 values and the request has 1" in told["detail"], told

# Errors, with their places in the text as it was sent.
told = problem(ask(f"{url}/sql", "\n-- a mistake\n  SELECT avg(vaule)\nFROM generate_series(1, 3)"), 400)
assert told["detail"] == "there is no column vaule; did you mean value?", told
assert (told["sqlstate"], told["line"], told["column"]) == ("42703", 3, 14), told
told = problem(ask(f"{url}/sql", "SELECT * FROM nowhere"), 404)
assert told["sqlstate"] == "42P01" and told["position"] == 15, told
told = problem(ask(f"{url}/sql", "SELEC 1"), 400)
assert told["sqlstate"] == "42601", told
told = problem(ask(f"{url}/sql", "SELECT 1 / 0"), 400)
assert told["sqlstate"] == "22012", told
told = problem(post(url, sql="SELECT sum(value) FROM generate_series(1, 1000000000000)", timeout="50ms"), 504)
assert told["sqlstate"] == "57014", told

# Requests that make no sense.
assert "2 statements" in problem(ask(f"{url}/sql", "SELECT 1; SELECT 2"), 400)["detail"]
assert "no statement" in problem(ask(f"{url}/sql", " -- nothing"), 400)["detail"]
assert "did you mean params?" in problem(post(url, sql="SELECT 1", parms=[]), 400)["detail"]
assert "did you mean parquet?" in problem(ask(f"{url}/sql?format=parkuet", "SELECT 1"), 400)["detail"]
problem(ask(f"{url}/sql?formta=csv", "SELECT 1"), 400)
problem(ask(f"{url}/sql", "SELECT 1", Content_Type="image/png"), 415)
problem(ask(f"{url}/sql", "SELECT 1", Accept="text/html"), 406)
problem(ask(f"{url}/sql", b"SELECT '\xff'"), 400)
problem(ask(f"{url}/sql", b"-" * (1 << 20) + b"-"), 413)
problem(ask(f"{url}/nowhere"), 404)
status, headers, _ = ask(f"{url}/tables", "", method="PUT")
assert status == 405 and "GET" in headers["Allow"], headers
problem(ask(f"{url}/sql", "SELECT 1", X_Query_Id="a b"), 400)
problem(ask(f"{url}/sql", "SELECT 1", Origin="https://evil.example.org"), 403)
problem(ask(f"{url}/sql", "SELECT 1", Host="evil.example.org"), 403)
assert ask(f"{url}/sql", "SELECT 1", Origin=url)[0] == 200

# What is no HTTP ends, and what never ends is cut off; the server lives on.
for garbage in [b"\x16\x03\x01 no TLS here\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n", b"POST /sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"]:
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(garbage)
        answer = connection.recv(1 << 16)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer

# Reading without a body.
get = lambda sql, **query: ask(f"{url}/sql?{urllib.parse.urlencode(dict(sql=sql, **query))}")
status, headers, body = get("SELECT $1 * 2 AS a", params="[21]", format="csv")
assert (status, body) == (200, b"a\n42\n"), body
assert headers["Cache-Control"] == "private, no-cache" and headers["X-Query-Id"], headers
for sql in ["SHOW TABLES", "DESCRIBE samples.ostia_monthly", "EXPLAIN SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a"]:
    assert get(sql)[0] == 200, sql
for sql in ["DETACH samples", "SET cube.grid_window = false", "CREATE VIEW v AS SELECT 1", "CREATE TABLE lake.t AS SELECT value AS x, 1 AS v FROM generate_series(1, 3)", "COPY (SELECT 1) TO 'a.csv'", "VACUUM lake", "DROP VIEW v", "ANALYZE samples.ostia_monthly"]:
    answer = get(sql)
    assert problem(answer, 405) and answer[1]["Allow"] == "POST", sql

# Statements without a result, and settings that end with their request.
assert ask(f"{url}/sql", "SET cube.grid_window = false")[0] == 204
assert rows(ask(f"{url}/sql?format=json", "SHOW cube.grid_window"))[1][0]["value"] == "true"
assert ask(f"{url}/sql", "CREATE VIEW seven AS SELECT 7 AS a")[0] == 204
assert rows(ask(f"{url}/sql?format=json", "SELECT * FROM seven")) == (200, [{"a": 7}])
assert ask(f"{url}/sql?format=csv", "SELECT a FROM seven WHERE a > 7")[2] == b"a\n"

# Compression.
series = "SELECT value FROM generate_series(1, 100000)"
plain = ask(f"{url}/sql?format=csv", series)[2]
status, headers, packed = ask(f"{url}/sql?format=csv", series, Accept_Encoding="gzip")
assert headers["Content-Encoding"] == "gzip" and len(packed) < len(plain) / 2
assert gzip.decompress(packed) == plain and plain.count(b"\n") == 100_001
assert ask(f"{url}/sql?format=csv", series, Accept_Encoding="zstd")[1]["Content-Encoding"] == "zstd"

# A failure in the middle breaks the transfer.
broken = "SELECT 1 / (300000 - value) AS a FROM generate_series(1, 400000)"
with socket.create_connection((host, int(port)), timeout=60) as connection:
    request = f"POST /sql?format=csv HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(broken)}\r\n\r\n{broken}"
    connection.sendall(request.encode())
    answer = b""
    while piece := connection.recv(1 << 16):
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200") and not answer.endswith(b"0\r\n\r\n"), answer[-100:]

# In HTTP/1.0 it would look like the end: no result is sent.
with socket.create_connection((host, int(port)), timeout=60) as connection:
    connection.sendall(f"GET /sql?sql=SELECT%201 HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    answer = b""
    while piece := connection.recv(1 << 16):
        answer += piece
    assert b" 505 " in answer.split(b"\r\n")[0] and b"use HTTP/1.1" in answer, answer

# The catalogue.
status, tables = rows(ask(f"{url}/tables"))
found = [table for table in tables if table["table"] == "ostia_monthly"]
assert found[0]["dims"] == ["time", "latitude", "longitude"], tables
status, table = rows(ask(f"{url}/tables/samples/ostia_monthly"))
assert [axis["name"] for axis in table["dimensions"]] == found[0]["dims"], table
assert [axis["size"] for axis in table["dimensions"]] == table["shape"], table
assert "surface_temperature" in [variable["name"] for variable in table["variables"]], table
problem(ask(f"{url}/tables/samples/nothing"), 404)
