"""DuckDB's scanner of PostgreSQL, from the wheel of the extension: `duckdb_scanner.py URL`."""

from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import duckdb_extension_postgres_scanner as wheel
import steps


class DuckDb:
    name = "DuckDB postgres scanner"
    version = f"{duckdb.__version__}, extension {version('duckdb-extension-postgres-scanner')}"

    def __init__(self, url):
        place = urlsplit(url)
        self.words = f"host={place.hostname} port={place.port} dbname=graticule user=ada"

    def connect(self):
        self.connection = duckdb.connect()
        (extension,) = Path(wheel.__file__).parent.rglob("*.duckdb_extension")
        self.connection.execute(f"LOAD '{extension}'")
        self.connection.execute(f"ATTACH '{self.words}' AS cubes (TYPE postgres, READ_ONLY)")

    def browse(self):
        tables = self.connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'cubes' AND table_schema = 'lake'"
        ).fetchall()
        assert tables == [("field",)], tables
        columns = self.connection.execute("DESCRIBE cubes.lake.field").fetchall()
        kinds = {column[0]: column[1] for column in columns}
        assert list(kinds) == steps.COLUMNS and kinds["time"] == "TIMESTAMP" and kinds["temperature"] == "FLOAT", kinds
        return f"{len(tables)} table, {len(columns)} columns"

    def parameters(self):
        query = "SELECT number FROM cubes.lake.field WHERE lat = ? AND lon = ? AND time = ?"
        values = [steps.LATITUDE, steps.LONGITUDE, datetime.fromisoformat(steps.TIME)]
        assert self.connection.execute(query, values).fetchall() == [(steps.NUMBER,)]
        query = "FROM postgres_query('cubes', 'SELECT count(*) AS cells FROM lake.field WHERE number < 500')"
        assert self.connection.execute(query).fetchall() == [(500,)]

    def million(self):
        query = "SELECT count(*), sum(number), count(time), count(temperature) FROM cubes.lake.field"
        found = self.connection.execute(query).fetchone()
        assert found == (steps.ROWS, steps.SUM, steps.ROWS, steps.ROWS), found

    # It does not cancel: an interrupted query goes on where it runs, with PostgreSQL, too.


steps.main(DuckDb)
