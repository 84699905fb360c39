"""Encrypted connections. Arguments: URL, file of the server's certificate."""

import pathlib
import sys

import adbc_driver_flightsql.dbapi as adbc
import pyarrow.flight as flight
from adbc_driver_flightsql import DatabaseOptions

from flight_sql import fetch

url, certificate = sys.argv[1], pathlib.Path(sys.argv[2]).read_text()
assert url.startswith("grpc+tls://"), url

trusting = flight.connect(url, tls_root_certs=certificate)
assert fetch(trusting, "SELECT 1 AS one").to_pylist() == [{"one": 1}]
options = {DatabaseOptions.TLS_ROOT_CERTS.value: certificate, "username": "u", "password": "p"}
with adbc.connect(url, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT sum(value) FROM generate_series(1, 100000)")
    assert cursor.fetchall() == [(5_000_050_000,)]

for wrong in (flight.connect(url), flight.connect(url.replace("grpc+tls", "grpc"))):
    try:
        fetch(wrong, "SELECT 1")
    except flight.FlightUnavailableError:
        pass
    else:
        raise AssertionError("a client that trusts nobody was served, or one without TLS")
assert fetch(trusting, "SELECT 2 AS two").to_pylist() == [{"two": 2}]
print("ok")
