"""Statements that belong to spans of their clients, in all doors: `traces.py PG HTTP FLIGHT SAMPLES`."""

import sys

import psycopg
import pyarrow.flight as flight

import flight_sql
from http_door import ask

pg, http, grpc, samples = sys.argv[1:]


def parent(digit, flags="01"):
    return f"00-{digit * 32}-{digit * 16}-{flags}"


def post(statement, **headers):
    return ask(f"{http}/sql?format=csv", statement, **headers)[0]


assert post("SELECT value AS by_http FROM generate_series(1, 5)", traceparent=parent("1"), tracestate="a=b") == 200
options = flight.FlightCallOptions(headers=[(b"traceparent", parent("2").encode())])
with flight.connect(grpc.replace("grpc://", "grpc+tcp://")) as client:
    assert flight_sql.fetch(client, "SELECT 1 AS by_flight", options).num_rows == 1
with psycopg.connect(pg, autocommit=True) as connection:
    connection.execute(f"SELECT 1 AS by_postgres /*action='test',traceparent='{parent('3')}'*/").fetchall()
    connection.execute("SELECT 1 AS without_a_parent").fetchall()
# Who does not trace has no spans.
assert post("SELECT 1 AS unsampled", traceparent=parent("4", "00")) == 200
# What makes no sense is no reason to refuse anybody.
assert post("SELECT 1 AS odd", traceparent="odd") == 200
assert post("SELECT wrong", traceparent=parent("5")) == 400
assert post("SELECT * FROM 'https://user:word@127.0.0.1:1/a.zarr?sig=secret'", traceparent=parent("6")) >= 400
# A grid is one statement, too.
grid = f"SELECT time, latitude, longitude, surface_temperature AS by_grid FROM '{samples}/ostia_monthly.nc' WHERE latitude > 0"
assert ask(f"{http}/sql?format=netcdf", grid, traceparent=parent("7"))[0] == 200
