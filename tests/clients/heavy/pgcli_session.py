"""pgcli, its completion and a query as it runs them: `pgcli_session.py URL`."""

import threading
from importlib.metadata import version

import psycopg
import steps
from pgcli.pgexecute import PGExecute
from pgspecial.main import PGSpecial


class Pgcli:
    name = "pgcli"
    version = version("pgcli")

    def __init__(self, url):
        self.url = url

    def connect(self):
        self.executor = PGExecute(dsn=self.url.replace("postgresql://", "postgresql://ada@"))
        assert self.executor.server_version.startswith("15"), self.executor.server_version

    def browse(self):
        executor = self.executor
        assert "lake" in executor.schemata(), executor.schemata()
        assert ("lake", "field") in list(executor.tables())
        columns = [column for column in executor.table_columns() if column[:2] == ("lake", "field")]
        assert [column[2] for column in columns] == steps.COLUMNS, columns
        for others in (executor.views, executor.view_columns, executor.foreignkeys, executor.functions):
            list(others())
        for others in (executor.databases, executor.full_databases, executor.datatypes, executor.casing):
            list(others())
        executor.search_path()
        special = PGSpecial()
        described = 0
        for command in ("\\l", "\\dn", "\\dt lake.*", "\\dv", "\\d lake.field", "\\d+ lake.field", "\\du", "\\df", "\\dT", "\\di", "\\dx"):
            for title, rows, headers, status in special.execute(executor.conn.cursor(), command):
                described += 1
        return f"{len(columns)} columns, {described} commands"

    def ask(self, query):
        results = list(self.executor.run(query))
        for title, rows, headers, status, sql, success, is_special in results:
            assert success, status
        return [row for result in results for row in result[1] or []]

    def parameters(self):
        # It has none of its own: values are written into the statement.
        rows = self.ask(
            f"SELECT number FROM lake.field WHERE lat = {steps.LATITUDE} AND lon = {steps.LONGITUDE} AND time = '{steps.TIME}'"
        )
        assert rows == [(steps.NUMBER,)], rows

    def million(self):
        rows = self.ask(steps.EVERYTHING)
        assert (len(rows), sum(row[4] for row in rows)) == (steps.ROWS, steps.SUM)

    def cancel(self):
        return steps.cancelled(lambda: self.executor.conn.execute(steps.ENDLESS), self.executor.conn.cancel, psycopg.Error)


steps.main(Pgcli)
