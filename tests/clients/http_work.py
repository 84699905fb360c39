"""Work that is cancelled, that nobody waits for, and that is taken slowly."""

import json
import socket
import sys
import threading

from flight_sql import processor_seconds
from http_door import ask, metric, post, problem, until

url, process = sys.argv[1:]
host, port = url.removeprefix("http://").split(":")
LONG = "SELECT sum(value) FROM generate_series(1, 1000000000000)"

running = lambda: metric(url, "graticule_queries_running", door="http")
ended = lambda outcome: metric(url, "graticule_queries_total", door="http", outcome=outcome)


def connect(statement, format="csv"):
    connection = socket.create_connection((host, int(port)), timeout=120)
    head = f"POST /sql?format={format} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(statement)}\r\n\r\n"
    connection.sendall((head + statement).encode())
    return connection


# A client that goes away before the answer, and one that goes away in the middle of it.
connection = connect(LONG)
until(lambda: running() == 1, "the query runs")
connection.close()
until(lambda: running() == 0 and ended("cancelled") == 1, "the query of a client that is gone ends")
connection = connect("SELECT value, value * 2 AS b FROM generate_series(1, 1000000000000)")
assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
assert running() == 1
connection.close()
until(lambda: running() == 0 and ended("cancelled") == 2, "a query whose rows nobody takes ends")

# One that its client cancels.
answers = []
waiting = threading.Thread(target=lambda: answers.append(ask(f"{url}/sql", LONG, X_Query_Id="mine-1")))
waiting.start()
until(lambda: running() == 1, "the query runs")
problem(ask(f"{url}/sql", "SELECT 1", X_Query_Id="mine-1"), 409)
problem(ask(f"{url}/sql/nobodys", method="DELETE"), 404)
assert ask(f"{url}/sql/mine-1", method="DELETE")[0] == 204
waiting.join()
assert problem(answers[0], 504)["sqlstate"] == "57014", answers
problem(ask(f"{url}/sql/mine-1", method="DELETE"), 404)

# Jobs.
making = "CREATE TABLE lake.squares WITH (dims = 'x') AS SELECT value AS x, value * value AS v FROM generate_series(1, 1000)"
status, headers, body = ask(f"{url}/sql", making, Prefer="respond-async, wait=1")
assert status == 202 and headers["Preference-Applied"] == "respond-async", (status, body)
place = url + headers["Location"]
told = until(lambda: (job := json.loads(ask(place)[2]))["state"] not in ("waiting", "running") and job, "the job ends")
assert told["state"] == "completed" and told["rows"] == 1 and told["result"][0]["cells"] == 1000, told
assert told["progress"]["parts_done"] == told["progress"]["parts_total"] > 0, told
count = ask(f"{url}/sql?format=csv", "SELECT count(*) AS n, sum(v) AS s FROM lake.squares")[2]
assert count == b"n,s\n1000,333833500\n", count
status, headers, _ = ask(f"{url}/sql", LONG, Prefer="respond-async")
place = url + headers["Location"]
until(lambda: json.loads(ask(place)[2])["state"] == "running", "the job runs")
assert ask(place, method="DELETE")[0] == 204
told = until(lambda: (job := json.loads(ask(place)[2]))["state"] != "running" and job, "the job ends")
assert told["state"] == "cancelled" and told["problem"]["sqlstate"] == "57014", told
ask(f"{url}/sql", "SELECT 1 / 0", Prefer="respond-async")
told = until(lambda: (jobs := json.loads(ask(f"{url}/jobs")[2]))[-1]["state"] == "failed" and jobs, "the job fails")
assert [job["job"] for job in told] == [1, 2, 3] and "result" not in told[0], told
assert told[2]["problem"]["sqlstate"] == "22012", told
problem(ask(f"{url}/jobs/77"), 404)
problem(ask(f"{url}/jobs/x"), 404)


# A result without end, of which the client takes fifty megabytes: little of it is ever in memory.
def peak():
    with open(f"/proc/{process}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


before = peak()
connection = connect("SELECT value, value * 2 AS b FROM generate_series(1, 1000000000000)", "ndjson")
taken = 0
while taken < 50 << 20:
    piece = connection.recv(1 << 20)
    assert piece, "the result ended"
    taken += len(piece)
for _ in range(50):
    assert ask(f"{url}/sql?format=csv", "SELECT 1 AS a")[2] == b"a\n1\n", "others are served meanwhile"
assert running() == 1, "the query waits for its client"
assert peak() - before < 200 << 20, (peak(), before)
connection.close()
until(lambda: running() == 0, "the query ends")

# One that keeps all threads busy without a pause is answered in time all the same.
cross = "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
told = problem(post(url, sql=cross, timeout="200ms"), 504)
assert "statement_timeout" in told["detail"], told

# Planning is cancelled, too: of a statement that is planned for long and makes no row.
LEVELS = 9
columns = ", ".join(f"x.b{number} + y.b{number} AS b{number}" for number in range(8))
deep = "WITH a0 AS (SELECT value AS v, " + ", ".join(f"value + {number} AS b{number}" for number in range(8))
deep += " FROM generate_series(1, 0)), " + ", ".join(
    f"a{level} AS (SELECT x.v, {columns} FROM a{level - 1} x JOIN a{level - 1} y ON x.v = y.v)" for level in range(1, LEVELS + 1)
)
deep += f" SELECT * FROM a{LEVELS}"
used = lambda: processor_seconds(process)


def rests():
    before = used()
    threading.Event().wait(0.3)
    return used() - before < 0.05


def cancelled(end):
    """Processor seconds of the statement when `end` ends it while it is planned."""
    until(rests, "nothing runs")
    begun = used()
    end(lambda: until(lambda: used() - begun > whole / 10, "planning has begun"))
    until(lambda: running() == 0, "the place is given back")
    until(rests, "planning ends")
    return used() - begun


def by_request(when):
    waiting = threading.Thread(target=lambda: answers.append(ask(f"{url}/sql", deep, X_Query_Id="deep-1")))
    waiting.start()
    when()
    assert ask(f"{url}/sql/deep-1", method="DELETE")[0] == 204
    waiting.join()
    assert problem(answers.pop(), 504)["sqlstate"] == "57014"


def by_going_away(when):
    connection = connect(deep)
    when()
    connection.close()


answers.clear()
until(rests, "nothing runs")
begun = used()
status, _, body = ask(f"{url}/sql?format=csv", deep)
assert status == 200, body
until(rests, "all is done")
whole = used() - begun
for way in (by_request, by_going_away):
    spent = cancelled(way)
    assert spent < whole * 0.7, (way.__name__, spent, whole)
