"""What one user may use, in all doors: `quota.py PG HTTP FLIGHT USERS`, USERS being names and passwords as JSON."""

import base64
import json
import sys
import threading

import adbc_driver_flightsql.dbapi as adbc
import adbc_driver_manager as manager
import psycopg

from http_door import ask, problem, until

pg, http, grpc = sys.argv[1:4]
passwords = json.loads(sys.argv[4])
# Much to sort, and nothing to read.
LONG = "SELECT count(*) FROM generate_series(1, 100000000000)"
HUNGRY = "SELECT count(*) FROM (SELECT DISTINCT repeat(CAST(value AS TEXT), 20) AS t FROM generate_series(1, 300000)) s"


def proof(name):
    text = base64.b64encode(f"{name}:{passwords[name]}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def post(name, statement, **headers):
    return ask(f"{http}/sql?format=json", statement, **proof(name), **headers)


def login(name, **options):
    return psycopg.connect(pg, user=name, password=passwords[name], autocommit=True, **options)


def refused(state, run):
    try:
        run()
    except psycopg.Error as error:
        assert error.sqlstate == state, (state, error)
        return str(error)
    raise AssertionError(f"no error {state}")


# Memory, and bytes of a scan: a user without limits has them, one with limits has not, and cannot help it.
assert post("free", HUNGRY)[0] == 200
told = problem(post("small", HUNGRY), 413)
assert told["sqlstate"] == "53200" and "your queries may use" in told["detail"], told
with login("small") as connection:
    assert "your queries may use" in refused("53200", lambda: connection.execute(HUNGRY))
    read = lambda: connection.execute("SELECT avg(surface_temperature) FROM samples.ostia_monthly").fetchone()
    refused("53400", read)
    for setting in ("cube.max_scan_bytes = '1GB'", "cube.max_scan_bytes = 0"):
        refused("42501", lambda: connection.execute(f"SET {setting}"))
    for setting in (
        "datafusion.runtime.memory_limit = '8G'",
        "datafusion.runtime.max_temp_directory_size = '800G'",
        "datafusion.runtime.temp_directory = '/'",
        "datafusion.execution.batch_size = 1000000000",
        "datafusion.execution.target_partitions = 10000",
    ):
        refused("42501", lambda: connection.execute(f"SET {setting}"))
    connection.execute("RESET cube.max_scan_bytes")
    refused("53400", read)
with login("free") as connection:
    assert connection.execute("SELECT avg(surface_temperature) FROM samples.ostia_monthly").fetchone()[0] > 200

# The timeout of a statement is lowered, and not raised.
refused("57014", lambda: login("quick").execute(LONG))
with login("quick") as connection:
    assert connection.execute("SHOW statement_timeout").fetchone()[0] == "400ms"
    for other in ("0", "'1h'", "'401ms'", "'100ms'"):
        connection.execute(f"SET statement_timeout = {other}")
        refused("57014", lambda: connection.execute(LONG))
with login("quick", options="-c statement_timeout=0") as connection:
    refused("57014", lambda: connection.execute(LONG))
body = json.dumps({"sql": LONG, "timeout": "1h"})
problem(ask(f"{http}/sql", body, Content_Type="application/json", **proof("quick")), 504)

# Queries at a time: of all doors together, and of this user alone.
running = login("single")
blocked = threading.Thread(target=lambda: refused("57014", lambda: running.execute(LONG)))
blocked.start()
RUNNING = "SELECT statement FROM cube.queries WHERE state = 'running'"
until(lambda: LONG.encode() in post("free", RUNNING)[2], "it runs")
assert problem(post("single", "SELECT 1"), 503)["sqlstate"] == "53300"
assert post("free", "SELECT 1")[0] == 200
running.cancel()
blocked.join()
assert post("single", "SELECT 1")[0] == 200

# Statements per minute: three, whatever the door. Roles count, and the largest of them.
rated = login("rated")
assert rated.execute("SELECT 1").fetchone() == (1,)
assert post("rated", "SELECT 1")[0] == 200
with adbc.connect(grpc, db_kwargs={"username": "rated", "password": passwords["rated"]}, autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()
        try:
            cursor.execute("SELECT 1")
            cursor.fetchall()
            raise AssertionError("a fourth statement was run")
        except manager.Error as error:
            assert "3 statements a minute" in str(error), error
answer = post("rated", "SELECT 1")
told = problem(answer, 429)
assert told["sqlstate"] == "53400" and "3 statements a minute" in told["detail"], told
assert 1 <= int(answer[1]["Retry-After"]) <= 21, answer[1]
assert "3 statements a minute" in refused("53400", lambda: rated.execute("SELECT 1"))
assert post("free", "SELECT 1")[0] == 200
print("ok")
