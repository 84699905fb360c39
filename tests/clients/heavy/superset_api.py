"""Apache Superset over its REST API: `superset_api.py URL`, with the Python of its environment.

Its own database is SQLite in a folder that is thrown away; it stays on this machine.
"""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import steps

CONFIGURATION = """
import os
SECRET_KEY = os.environ["SUPERSET_SECRET"]
SQLALCHEMY_DATABASE_URI = "sqlite:///" + os.path.join(os.path.dirname(__file__), "superset.db")
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
RATELIMIT_ENABLED = False
CACHE_CONFIG = DATA_CACHE_CONFIG = FILTER_STATE_CACHE_CONFIG = EXPLORE_FORM_DATA_CACHE_CONFIG = {"CACHE_TYPE": "SimpleCache"}
SQL_MAX_ROW = DISPLAY_MAX_ROW = 2_000_000
SQLLAB_TIMEOUT = 300
"""


# Superset writes functions in capitals, and there is no GENERATE_SERIES.
ENDLESS = "SELECT count(*) FROM lake.field a, lake.field b, lake.field c WHERE a.number + b.number + c.number < 0"


class Superset:
    name = "Apache Superset"
    version = version("apache-superset")

    def __init__(self, url):
        self.url = url.replace("postgresql://", "postgresql+psycopg2://ada@")
        self.folder = Path(tempfile.mkdtemp())
        self.password = secrets.token_hex()
        self.token = None

    def superset(self, *words):
        program = [str(Path(sys.executable).with_name("superset")), *words]
        configuration = self.folder / "superset_config.py"
        configuration.write_text(CONFIGURATION)
        environment = os.environ | {
            "SUPERSET_CONFIG_PATH": str(configuration),
            "SUPERSET_HOME": str(self.folder),
            "SUPERSET_SECRET": self.password,
            "FLASK_APP": "superset.app:create_app()",
        }
        log = open(self.folder / "log", "a")
        return subprocess.Popen(program, env=environment, cwd=self.folder, stdout=log, stderr=log)

    def do(self, *words):
        code = self.superset(*words).wait()
        assert code == 0, f"superset {words[0]}: {(self.folder / 'log').read_text()[-2000:]}"

    def ask(self, method, path, body=None):
        """One request; its answer from JSON."""
        headers = {"Content-Type": "application/json", "Referer": self.base}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = json.dumps(body).encode() if body is not None else None
        try:
            with urlopen(Request(self.base + path, data, headers, method=method), timeout=300) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:2000]}") from None

    def serve(self):
        self.do("db", "upgrade")
        words = ["--username", "ada", "--firstname", "Ada", "--lastname", "L", "--email", "ada@localhost"]
        self.do("fab", "create-admin", *words, "--password", self.password)
        self.do("init")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}/api/v1"
        self.process = self.superset("run", "--host", "127.0.0.1", "--port", str(port), "--with-threads")
        begun = time.monotonic()
        while time.monotonic() - begun < 180:
            with contextlib.suppress(URLError, ConnectionError):
                urlopen(f"http://127.0.0.1:{port}/health", timeout=10).read()
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.5)
        raise AssertionError("Superset did not answer")

    def connect(self):
        self.serve()
        login = {"username": "ada", "password": self.password, "provider": "db"}
        self.token = self.ask("POST", "/security/login", login)["access_token"]
        self.ask("POST", "/database/test_connection/", {"sqlalchemy_uri": self.url, "database_name": "cubes"})
        database = {"database_name": "cubes", "sqlalchemy_uri": self.url, "expose_in_sqllab": True}
        self.database = self.ask("POST", "/database/", database)["id"]

    def browse(self):
        place = f"/database/{self.database}"
        schemas = self.ask("GET", f"{place}/schemas/?q=(force:!t)")["result"]
        assert "lake" in schemas, schemas
        tables = self.ask("GET", f"{place}/tables/?q={quote('(force:!t,schema_name:lake)')}")["result"]
        assert [table["value"] for table in tables] == ["field"], tables
        table = self.ask("GET", f"{place}/table_metadata/?name=field&schema=lake")
        kinds = {column["name"]: column["type"] for column in table["columns"]}
        assert list(kinds) == steps.COLUMNS, kinds
        assert kinds["time"] == "TIMESTAMP" and kinds["temperature"] == "REAL", kinds
        self.ask("GET", f"{place}/select_star/field/lake/")
        body = {"database": self.database, "schema": "lake", "table_name": "field"}
        self.dataset = self.ask("POST", "/dataset/", body)["id"]
        columns = self.ask("GET", f"/dataset/{self.dataset}")["result"]["columns"]
        assert {column["column_name"] for column in columns if column["is_dttm"]} == {"time"}, columns
        return f"{len(schemas)} schemas, {len(kinds)} columns"

    def chart(self, **query):
        """The data of a chart."""
        query = {"filters": [], "extras": {}, "columns": [], "metrics": [], "row_limit": 10000} | query
        source = {"id": self.dataset, "type": "table"}
        body = {"datasource": source, "queries": [query], "result_format": "json", "result_type": "full", "force": True}
        return self.ask("POST", "/chart/data", body)["result"][0]

    def parameters(self):
        mean = {
            "expressionType": "SIMPLE", "aggregate": "AVG", "label": "mean",
            "column": {"column_name": "temperature"},
        }  # fmt: skip
        # A line by month, of a part of the map and of the year.
        axis = {"columnType": "BASE_AXIS", "expressionType": "SQL", "label": "time", "sqlExpression": "time", "timeGrain": "P1M"}
        filters = [
            {"col": "lat", "op": ">=", "val": 0},
            {"col": "lon", "op": "IN", "val": [1, 2]},
            {"col": "time", "op": "TEMPORAL_RANGE", "val": "2020-02-01 : 2020-04-01"},
        ]
        line = self.chart(columns=[axis], metrics=[mean, "count"], filters=filters, orderby=[["count", True]])
        assert [row["count"] for row in line["data"]] == [29 * 51 * 2, 31 * 51 * 2], line
        # A table of rows, a histogram of groups, and the values of a filter.
        where = {"extras": {"where": f"(time = TIMESTAMP '{steps.TIME}')"}}
        cell = [{"col": "lat", "op": "==", "val": steps.LATITUDE}, {"col": "lon", "op": "==", "val": steps.LONGITUDE}]
        rows = self.chart(columns=["number", "time"], filters=cell, **where)
        assert [row["number"] for row in rows["data"]] == [steps.NUMBER], rows
        groups = self.chart(columns=["lat"], metrics=["count"], orderby=[["count", False]], row_limit=5)
        assert [row["count"] for row in groups["data"]] == [10_000] * 5, groups
        values = self.ask("GET", f"/datasource/table/{self.dataset}/column/lon/values/")["result"]
        assert sorted(values) == list(range(100)), values

    def lab(self, sql, client=None, limit=0):
        """A statement in SQL Lab."""
        body = {
            "database_id": self.database, "schema": "lake", "sql": sql, "runAsync": False, "queryLimit": limit,
            "client_id": client or secrets.token_hex(5), "tab": "t", "sql_editor_id": "1", "select_as_cta": False,
        }  # fmt: skip
        return self.ask("POST", "/sqllab/execute/", body)

    def million(self):
        answer = self.lab(steps.EVERYTHING, limit=steps.ROWS)
        assert [column["column_name"] for column in answer["columns"]] == steps.COLUMNS, answer["columns"]
        data = answer["data"]
        assert (len(data), sum(row["number"] for row in data)) == (steps.ROWS, steps.SUM), len(data)

    def cancel(self):
        client = secrets.token_hex(5)
        stop = lambda: self.ask("POST", "/query/stop", {"client_id": client})

        def run():
            try:
                self.lab(ENDLESS, client)
            except AssertionError as error:
                raise Stopped(f"cancelled: {error}") from None

        return steps.cancelled(run, stop, Stopped, after=3)

    def close(self):
        if getattr(self, "process", None):
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Stopped(Exception):
    pass


with contextlib.closing(Superset(sys.argv[1])) as client:
    successful = steps.run(client)
sys.exit(int(not successful))
