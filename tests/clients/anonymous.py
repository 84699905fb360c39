"""People who do not say who they are know nothing of each other. Arguments: URLs of PostgreSQL's door, HTTP and Flight,
and the password of the user `boss`, who may do everything."""

import base64
import json
import sys
import threading

import psycopg
import pyarrow.flight as flight

from flight_sql import fetch
from http_door import ask, problem, until

postgres, http, grpc, password = sys.argv[1:]
boss = {"Authorization": "Basic " + base64.b64encode(f"boss:{password}".encode()).decode()}
MINE = "my-very-own-number-4242"
LONG = "SELECT sum(value) AS {name} FROM generate_series(1, 1000000000000)"
LISTED = "SELECT query, statement FROM cube.queries WHERE statement LIKE '%generate_series(1, 1000000000000)%'"


def over_http(statement, **headers):
    status, _, body = ask(f"{http}/sql?format=json", statement, **headers)
    assert status in (200, 204), body
    return json.loads(body or "[]")


def all_that_run():
    found = over_http(f"{LISTED} AND state = 'running' AND statement NOT LIKE '%cube.queries%'", **boss)
    return {entry["statement"].split()[3]: entry["query"] for entry in found}


def connect():
    user = postgres.replace("://", "://anonymous@")
    return psycopg.connect(user, autocommit=True)


# Somebody runs something through each door.
answers = []


def over_postgres(connection):
    try:
        answers.append(connection.execute(LONG.format(name="postgres")).fetchall())
    except psycopg.Error as error:
        answers.append(error.sqlstate)


first, theirs = connect(), flight.connect(grpc, generic_options=[("grpc.use_local_subchannel_pool", 1)])
fetch(theirs, "SELECT 'flown' AS generate_series")
work = [
    threading.Thread(target=lambda: answers.append(ask(f"{http}/sql", LONG.format(name="http"), X_Query_Id=MINE)[0])),
    threading.Thread(target=over_postgres, args=(first,)),
]
for thread in work:
    thread.start()
status, headers, _ = ask(f"{http}/sql", LONG.format(name="job"), Prefer="respond-async")
assert status == 202
job = headers["Location"]
running = until(lambda: (found := all_that_run()).keys() == {"http", "postgres", "job"} and found, "all run")

# Somebody else does not see it, and cannot stop it.
second, mine = connect(), flight.connect(grpc, generic_options=[("grpc.use_local_subchannel_pool", 1)])
seen = {
    "http": over_http("SELECT * FROM cube.queries"),
    "postgres": second.execute("SELECT * FROM cube.queries").fetchall(),
    "flight": fetch(mine, "SELECT * FROM cube.queries").to_pylist(),
}
for door, entries in seen.items():
    assert len(entries) == 1 and "1000000000000" not in str(entries), (door, entries)
    assert "flown" not in str(entries), (door, entries)
assert "flown" in str(fetch(theirs, "SELECT statement FROM cube.queries").to_pylist())
for number in running.values():
    told = problem(ask(f"{http}/sql", f"CANCEL QUERY {number}"), 404)
    assert "no query" in told["detail"], told
    try:
        second.execute(f"CANCEL QUERY {number}")
        raise AssertionError("somebody else's query was cancelled")
    except psycopg.Error as error:
        assert "no query" in str(error), error
assert json.loads(ask(f"{http}/jobs")[2]) == []
name = job.rsplit("/", 1)[1]
number, key = name.split("-")
for guess in (number, f"{number}-", f"{number}-{'0' * len(key)}", f"{number}-{key}0"):
    for method in ("GET", "DELETE"):
        problem(ask(f"{http}/jobs/{guess}", method=method), 404)
problem(ask(f"{http}/sql/other-number-4242-4242", method="DELETE"), 404)
told = problem(ask(f"{http}/sql", "SELECT 1", X_Query_Id="easy"), 400)
assert "nobody guesses" in told["detail"], told
assert all_that_run().keys() == running.keys()

# Who began it can.
assert json.loads(ask(f"{http}{job}")[2])["state"] == "running"
assert ask(f"{http}{job}", method="DELETE")[0] == 204
assert ask(f"{http}/sql/{MINE}", method="DELETE")[0] == 204
first.cancel()
for thread in work:
    thread.join()
assert sorted(map(str, answers)) == ["504", "57014"], answers
assert LONG.format(name="postgres") in str(first.execute("SELECT statement FROM cube.queries").fetchall())
until(lambda: not all_that_run(), "nothing runs")

# A user with a name sees what they run, whatever the connection.
over_http("SELECT 'seen by boss' AS text", **boss)
assert "seen by boss" in str(over_http("SELECT statement FROM cube.queries", **boss))
for connection in (first, second):
    connection.close()
print("ok")
