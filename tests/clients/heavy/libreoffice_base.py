"""LibreOffice Base through its driver for PostgreSQL: `libreoffice_base.py URL`, with the Python that has UNO.

SOFFICE is the program, which runs without a window and with a profile that is thrown away.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import steps
import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.uno import RuntimeException

# Its exit code when it wants to be started once more, as with a new profile.
RESTART = 81


class LibreOffice:
    name = "LibreOffice Base (SDBC)"

    def __init__(self, url):
        place = urlsplit(url)
        self.words = f"sdbc:postgresql:host={place.hostname} port={place.port} dbname=graticule user=ada"
        self.folder = tempfile.mkdtemp()
        program = os.environ["SOFFICE"]
        said = subprocess.run([program, "--version"], capture_output=True, text=True, env=self.environment()).stdout
        self.version = (said.split() or ["", "unknown"])[1]
        self.start(program)

    def start(self, program):
        self.process = subprocess.Popen(
            [
                program, "--headless", "--norestore", "--nologo", "--nodefault",
                f"--accept=pipe,name=graticule{os.getpid()};urp;", f"-env:UserInstallation=file://{self.folder}/profile",
            ],
            env=self.environment(),
        )  # fmt: skip

    def environment(self):
        return os.environ | {"HOME": self.folder}

    def drivers(self):
        local = uno.getComponentContext()
        resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
        begun = time.monotonic()
        while True:
            try:
                place = f"uno:pipe,name=graticule{os.getpid()};urp;StarOffice.ComponentContext"
                return resolver.resolve(place).ServiceManager.createInstance("com.sun.star.sdbc.DriverManager")
            except (NoConnectException, RuntimeException):
                if self.process.poll() == RESTART:
                    self.start(os.environ["SOFFICE"])
                assert self.process.poll() is None, f"LibreOffice ended with {self.process.poll()}"
                assert time.monotonic() - begun < 180, "LibreOffice did not start"
                time.sleep(0.5)

    def connect(self):
        self.connection = self.drivers().getConnectionWithInfo(self.words, (PropertyValue("user", 0, "ada", 0),))
        data = self.connection.getMetaData()
        assert data.getDatabaseProductName() == "PostgreSQL", data.getDatabaseProductName()

    def browse(self):
        data = self.connection.getMetaData()
        schemas = [row[0] for row in rows(data.getSchemas(), 1)]
        assert "lake" in schemas, schemas
        tables = rows(data.getTables(None, "lake", "%", ("TABLE", "VIEW")), 4)
        assert [row[2] for row in tables] == ["field"], tables
        columns = rows(data.getColumns(None, "lake", "field", "%"), 6)
        assert [row[3] for row in columns] == steps.COLUMNS, columns
        assert rows(data.getPrimaryKeys(None, "lake", "field"), 4) == []
        assert rows(data.getIndexInfo(None, "lake", "field", False, False), 6) == []
        assert rows(data.getTypeInfo(), 1)
        # What its window shows.
        tables = self.connection.getTables()
        assert "lake.field" in tables.getElementNames(), tables.getElementNames()
        columns = tables.getByName("lake.field").getColumns().getElementNames()
        assert list(columns) == steps.COLUMNS, columns
        return f"{len(tables.getElementNames())} tables, {len(columns)} columns"

    def parameters(self):
        statement = self.connection.prepareStatement(
            "SELECT number FROM lake.field WHERE lat = ? AND lon = ? AND number > ?"
        )
        statement.setDouble(1, steps.LATITUDE)
        statement.setDouble(2, steps.LONGITUDE)
        statement.setInt(3, steps.NUMBER - 1)
        found = [int(row[0]) for row in rows(statement.executeQuery(), 1)]
        assert min(found) == steps.NUMBER, found

    def million(self):
        # A row is a call between two processes, so that the sum is taken of a part and the last row is sought.
        statement = self.connection.createStatement()
        result = statement.executeQuery(steps.EVERYTHING)
        total = 0
        for _ in range(1000):
            assert result.next()
            total += result.getInt(5)
        assert result.last() and result.getRow() == steps.ROWS, result.getRow()

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def rows(result, columns):
    found = []
    while result.next():
        found.append([result.getString(column) for column in range(1, columns + 1)])
    return found


client = LibreOffice(sys.argv[1])
try:
    successful = steps.run(client)
finally:
    client.close()
sys.exit(int(not successful))
