"""What operators and programs that look around ask the HTTP door for."""

import json
import re
import sys

from http_door import ask, metric, problem

url = sys.argv[1]

assert ask(f"{url}/health")[::2] == (200, b"alive\n")
assert ask(f"{url}/ready")[::2] == (200, b"ready\n")

# Counters.
before = metric(url, "graticule_queries_total", door="http", outcome="completed")
fetched = metric(url, "graticule_fetched_bytes_total")
assert ask(f"{url}/sql?format=csv", "SELECT avg(surface_temperature) AS a FROM samples.ostia_monthly")[0] == 200
assert ask(f"{url}/sql", "SELECT 1 / 0")[0] == 400
assert metric(url, "graticule_queries_total", door="http", outcome="completed") == before + 1
assert metric(url, "graticule_queries_total", door="http", outcome="failed") == 1
assert metric(url, "graticule_fetched_bytes_total") > fetched
assert metric(url, "graticule_connections", door="http") >= 1
assert metric(url, "graticule_query_seconds_count", door="http") == before + 2
assert metric(url, "graticule_result_rows_total") >= 1
_, headers, text = ask(f"{url}/metrics")
assert headers["Content-Type"].startswith("application/openmetrics-text"), headers
assert text.endswith(b"# EOF\n")

# The description is in the version it says, and every path in it is answered.
status, headers, body = ask(f"{url}/openapi.json")
document = json.loads(body)
assert status == 200 and document["openapi"].startswith("3.1"), document["openapi"]
assert set(document["components"]["securitySchemes"]) == {"bearer", "basic"}
paths = document["paths"]
assert set(paths["/sql"]) == {"get", "post"} and set(paths["/jobs/{number}"]) == {"get", "delete"}
referred = set(re.findall(rb'"#/components/schemas/(\w+)"', body))
assert referred <= {name.encode() for name in document["components"]["schemas"]}, referred
for path, operations in paths.items():
    for method, operation in operations.items():
        answer = ask(url + re.sub(r"\{\w+\}", "7", path), "" if method == "post" else None, method=method.upper())
        assert answer[0] != 405 and b"there is nothing at" not in answer[2], (method, path)
        assert operation["responses"], (method, path)
names = [operation["operationId"] for operations in paths.values() for operation in operations.values()]
assert len(set(names)) == len(names), names

# The page loads nothing from elsewhere, and may not.
for path, kind in [("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")]:
    status, headers, body = ask(url + path)
    assert status == 200 and headers["Content-Type"].startswith(kind), path
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy, policy
    assert headers["X-Content-Type-Options"] == "nosniff", headers
    assert b"://" not in body, path
    assert not re.search(rb"\son\w+=|style=|<script>", body), path

# Pages of one other origin are let in.
headers = ask(f"{url}/sql", "SELECT 1", Origin="https://a.example.org")[1]
assert headers["Access-Control-Allow-Origin"] == "https://a.example.org", headers
status, headers, _ = ask(f"{url}/sql", method="OPTIONS", Origin="https://a.example.org", Access_Control_Request_Method="POST")
assert status == 200 and "POST" in headers["Access-Control-Allow-Methods"], headers
problem(ask(f"{url}/sql", method="OPTIONS", Origin="https://b.example.org", Access_Control_Request_Method="POST"), 403)
