"""pandas and polars, by each way that they have to PostgreSQL: `postgres_frames.py URL`."""

import sys

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import pandas
import polars
import psycopg
import sqlalchemy as sa

CUBE = "samples.ostia_monthly"
EVERYTHING = f"SELECT time, latitude, longitude, surface_temperature FROM {CUBE}"


def values(frame):
    """What is in a frame, whatever made it, in the order of its axes."""
    columns = [np.asarray(frame[name]) for name in ("time", "latitude", "longitude", "surface_temperature")]
    columns[0] = columns[0].astype("datetime64[us]")
    order = np.lexsort(columns[2::-1])
    return [column[order] for column in columns]


def main(url):
    url = url.replace("postgresql://", "postgresql://ada@")
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with psycopg.connect(url, autocommit=True) as plain, adbc.connect(url, autocommit=True) as arrow:
        # Rows as psycopg makes them are what the others have to agree with; its own test compares them with the file.
        rows = plain.execute(EVERYTHING, binary=True).fetchall()
        expected = values(pandas.DataFrame(rows, columns=["time", "latitude", "longitude", "surface_temperature"]))
        frames = {
            "pandas, SQLAlchemy": pandas.read_sql(EVERYTHING, engine),
            "pandas, read_sql_table": pandas.read_sql_table("ostia_monthly", engine, schema="samples"),
            "pandas, ADBC": pandas.read_sql(EVERYTHING, arrow),
            "polars, psycopg": polars.read_database(EVERYTHING, plain),
            "polars, ADBC": polars.read_database_uri(EVERYTHING, url, engine="adbc"),
        }
        for protocol in ("binary", "csv", "cursor"):
            frames[f"polars, connectorx {protocol}"] = polars.read_database_uri(EVERYTHING, url, protocol=protocol)
        for name, frame in frames.items():
            for ours, theirs in zip(values(frame), expected, strict=True):
                kind = "datetime64[us]" if ours.dtype.kind == "M" else "f4"
                np.testing.assert_array_equal(ours.astype(kind), theirs.astype(kind), err_msg=name)
        place = {"latitude": 2, "time": frames["polars, ADBC"]["time"].max()}
        query = f"SELECT count(*) AS cells FROM {CUBE} WHERE latitude > %(latitude)s AND time = %(time)s"
        found = [
            polars.read_database(query, plain, execute_options={"params": place})["cells"][0],
            pandas.read_sql(
                sa.text(query.replace("%(latitude)s", ":latitude").replace("%(time)s", ":time")), engine, params=place
            ).cells[0],
        ]
        is_there = (expected[0] == np.datetime64(place["time"])) & (expected[1] > 2)
        assert found == [is_there.sum()] * 2 and found[0] > 0, (found, is_there.sum())
    print(f"frames: {len(rows)} rows, the same in {len(frames)} ways")


main(sys.argv[1])
