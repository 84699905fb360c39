"""Permissions through the door `http`: `permissions_http.py FILE`, see permissions.py."""

import base64
import json
from urllib.parse import quote

from http_door import ask, problem, until
from permissions import GRANTED, SECRET, check_lists, check_statements, given

about = given()
plain, open_to_all = about["servers"]


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def proofs(name):
    user = about["users"][name]
    return basic(name, user["password"]), {"Authorization": f"Bearer {user['key']}"}


def post(proof, statement, **headers):
    return ask(f"{plain}/sql?format=json", statement, **proof, **headers)


def connect(which):
    def of(name):
        proof = proofs(name)[which]

        def run(statement):
            status, _, body = post(proof, statement)
            return f"{status} {body.decode()}"

        return run

    return of


# A job of the boss about the hidden table: it is nobody else's business.
boss = proofs("boss")[0]
status, headers, body = post(boss, "SELECT max(hush) AS hush FROM lake.hidden_a", Prefer="respond-async")
assert status == 202, body
job = headers["Location"]
until(lambda: json.loads(ask(f"{plain}{job}", **boss)[2])["state"] not in ("queued", "running"), "the job ends")
assert b"hidden" in ask(f"{plain}/jobs", **boss)[2]
assert b"hidden" in ask(f"{plain}/tables", **boss)[2]
assert ask(f"{plain}/tables/lake/hidden_a", **boss)[0] == 200


def check_pages(name, proof):
    for page in ("/tables", "/jobs", "/metrics", "/openapi.json", "/", "/health", "/ready"):
        status, _, body = ask(f"{plain}{page}", **proof)
        assert status == 200 and b"hidden_" not in body and SECRET.encode() not in body, (name, page, body)
    for method in ("GET", "DELETE"):
        theirs, absent = (ask(f"{plain}{path}", method=method, **proof) for path in (job, "/jobs/999999"))
        assert theirs[0] == absent[0] == 404, (name, method, theirs, absent)
        assert theirs[2].replace(job.split("/")[-1].encode(), b"999999") == absent[2], (name, theirs, absent)
    hidden, absent = (ask(f"{plain}/tables/lake/hidden_{letter}", **proof) for letter in "az")
    assert hidden[0] == absent[0] == 404, (name, hidden, absent)
    assert hidden[2] == absent[2].replace(b"hidden_z", b"hidden_a"), (name, hidden, absent)
    for form in ("csv", "arrow", "parquet", "table", "ndjson", "netcdf", "geotiff", "zarr"):
        texts = [f"SELECT * FROM lake.hidden_{letter}" for letter in "az"]
        hidden, absent = (ask(f"{plain}/sql?format={form}&sql={quote(text)}", **proof) for text in texts)
        assert hidden[0] == absent[0] == 404, (name, form, hidden, absent)
        assert hidden[2] == absent[2].replace(b"hidden_z", b"hidden_a"), (name, form, hidden, absent)


for name in about["strangers"]:
    for which, proof in enumerate(proofs(name)):
        check_lists(name, connect(which))
        check_pages(name, proof)
    check_statements(name, connect(1), about["folder"])

assert ask(f"{open_to_all}/sql?format=csv", GRANTED)[2].split() == [b"cells", b"512"]
assert b"hidden" not in ask(f"{open_to_all}/tables")[2]
problem(ask(f"{open_to_all}/sql", "SELECT * FROM lake.hidden_a"), 404)

reader = about["users"]["reader"]
for proof in (
    {},
    basic("reader", "wrong"),
    basic("reader", ""),
    basic("eve", "wrong"),
    *proofs("former"),
    {"Authorization": f"Bearer {reader['key']}x"},
    {"Authorization": f"Bearer {reader['password']}"},
    {"Authorization": "Basic"},
    {"Authorization": "Digest x"},
):
    for page in ("/sql?sql=SELECT%201", "/tables", "/tables/lake/ocean", "/jobs", "/metrics"):
        answer = ask(f"{plain}{page}", **proof)
        assert problem(answer, 401)["sqlstate"] == "28P01", (proof, page)
        assert "Bearer" in answer[1]["WWW-Authenticate"], (proof, page)
print("ok")
