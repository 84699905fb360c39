"""psqlODBC, by pyodbc: `psqlodbc.py URL`; PSQLODBC is the driver's file."""

import os
from datetime import datetime
from urllib.parse import urlsplit

import pyodbc
import steps


class PsqlOdbc:
    name = "psqlODBC (pyodbc)"

    def __init__(self, url):
        place = urlsplit(url)
        self.words = (
            f"Driver={os.environ['PSQLODBC']};Server={place.hostname};Port={place.port};Database=graticule;Uid=ada"
        )

    def connect(self):
        self.connection = pyodbc.connect(self.words, autocommit=True)
        self.version = f"{self.connection.getinfo(pyodbc.SQL_DRIVER_VER)}, pyodbc {pyodbc.version}"
        assert self.connection.getinfo(pyodbc.SQL_DBMS_NAME) == "PostgreSQL"

    def browse(self):
        cursor = self.connection.cursor()
        tables = [row.table_name for row in cursor.tables(schema="lake", tableType="TABLE")]
        assert tables == ["field"], tables
        columns = {row.column_name: row.type_name for row in cursor.columns(table="field", schema="lake")}
        assert list(columns) == steps.COLUMNS, columns
        assert columns["time"] == "timestamp" and columns["temperature"] == "float4", columns
        assert cursor.primaryKeys(table="field", schema="lake").fetchall() == []
        assert cursor.statistics(table="field", schema="lake").fetchall() is not None
        assert cursor.foreignKeys(table="field", schema="lake").fetchall() == []
        assert "lake" in [row[1] for row in cursor.tables(catalog="", schema="%", table="")]
        assert cursor.getTypeInfo().fetchall()
        return f"{len(tables)} table, {len(columns)} columns"

    def parameters(self):
        cursor = self.connection.cursor()
        query = "SELECT number, time FROM lake.field WHERE lat = ? AND lon = ? AND time = ?"
        time = datetime.fromisoformat(steps.TIME)
        rows = cursor.execute(query, steps.LATITUDE, steps.LONGITUDE, time).fetchall()
        assert [tuple(row) for row in rows] == [(steps.NUMBER, time)], rows
        rows = cursor.execute("SELECT count(*) FROM lake.field WHERE number < ? AND temperature > ?", 500, -1).fetchall()
        assert rows[0][0] == 500, rows
        for value in (7, 1.5, "word", None, 1 << 40, datetime(2020, 1, 2, 3, 4, 5)):
            found = cursor.execute("SELECT ? AS value", value).fetchval()
            assert found == value or str(found) == str(value), (value, found)

    def million(self):
        cursor = self.connection.cursor()
        rows = total = 0
        cursor.execute(steps.EVERYTHING)
        while portion := cursor.fetchmany(10_000):
            rows += len(portion)
            total += sum(row[4] for row in portion)
        assert (rows, total) == (steps.ROWS, steps.SUM), (rows, total)

    def cancel(self):
        cursor = self.connection.cursor()
        return steps.cancelled(lambda: cursor.execute(steps.ENDLESS), cursor.cancel, pyodbc.Error)


steps.main(PsqlOdbc)
