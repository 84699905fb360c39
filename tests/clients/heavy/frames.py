"""pandas and polars, by each way that they have to PostgreSQL: `frames.py URL`."""

import adbc_driver_postgresql
import adbc_driver_postgresql.dbapi as adbc
import connectorx
import pandas
import polars
import psycopg
import sqlalchemy as sa
import steps

PLACE = {"lat": steps.LATITUDE, "lon": steps.LONGITUDE, "time": pandas.Timestamp(steps.TIME).to_pydatetime()}


def whole(frame):
    """Is it the cube? Its numbers say so."""
    assert list(frame.columns) == steps.COLUMNS, frame.columns
    # polars adds up integers of 32 bits in 32 bits.
    total = int(frame["number"].to_numpy().astype("int64").sum())
    assert (len(frame), total) == (steps.ROWS, steps.SUM), (len(frame), total)


class PandasSqlAlchemy:
    name = "pandas (SQLAlchemy, psycopg)"
    version = f"{pandas.__version__}, SQLAlchemy {sa.__version__}"

    def __init__(self, url):
        self.engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://ada@"))

    def connect(self):
        assert pandas.read_sql("SELECT 1 AS one", self.engine).one.tolist() == [1]

    def browse(self):
        frame = pandas.read_sql_table("field", self.engine, schema="lake", columns=["time", "number"])
        assert str(frame.time.dtype).startswith("datetime64") and frame.number.dtype == "int64", frame.dtypes
        return f"{len(frame.columns)} columns"

    def parameters(self):
        query = sa.text("SELECT number FROM lake.field WHERE lat = :lat AND lon = :lon AND time = :time")
        assert pandas.read_sql(query, self.engine, params=PLACE).number.tolist() == [steps.NUMBER]

    def million(self):
        whole(pandas.read_sql(steps.EVERYTHING, self.engine))


class PandasAdbc:
    name = "pandas (ADBC)"
    version = f"{pandas.__version__}, ADBC {adbc_driver_postgresql.__version__}"

    def __init__(self, url):
        self.url = url.replace("postgresql://", "postgresql://ada@")

    def connect(self):
        self.connection = adbc.connect(self.url, autocommit=True)
        assert pandas.read_sql("SELECT 1 AS one", self.connection).one.tolist() == [1]

    def browse(self):
        # pandas forgets the schema of read_sql_table on its way to ADBC, and takes no parameters there.
        schema = self.connection.adbc_get_table_schema("field", db_schema_filter="lake")
        assert schema.names == steps.COLUMNS, schema
        return f"{len(schema.names)} columns"

    def million(self):
        frame = pandas.read_sql(steps.EVERYTHING, self.connection, dtype_backend="pyarrow")
        whole(frame)
        assert str(frame.time.dtype) == "timestamp[us][pyarrow]", frame.dtypes

    def cancel(self):
        with self.connection.cursor() as cursor:
            return steps.cancelled(lambda: cursor.execute(steps.ENDLESS).fetchall(), cursor.adbc_cancel, adbc.Error)


class PolarsAdbc(PandasAdbc):
    name = "polars (ADBC)"
    version = f"{polars.__version__}, ADBC {adbc_driver_postgresql.__version__}"
    browse = cancel = None

    def connect(self):
        assert polars.read_database_uri("SELECT 1 AS one", self.url, engine="adbc")["one"].to_list() == [1]
        self.connection = adbc.connect(self.url, autocommit=True)

    def parameters(self):
        query = "SELECT number FROM lake.field WHERE lat = $1 AND lon = $2 AND time = $3"
        options = {"parameters": list(PLACE.values())}
        frame = polars.read_database(query, self.connection, execute_options=options)
        assert frame["number"].to_list() == [steps.NUMBER], frame

    def million(self):
        frame = polars.read_database_uri(steps.EVERYTHING, self.url, engine="adbc")
        whole(frame)
        assert frame["time"].dtype == polars.Datetime("us"), frame.schema


class PolarsConnectorX:
    name = "polars (connectorx)"
    version = f"{polars.__version__}, connectorx {connectorx.__version__}"

    def __init__(self, url):
        self.url = url.replace("postgresql://", "postgresql://ada@")

    def connect(self):
        assert polars.read_database_uri("SELECT 1 AS one", self.url)["one"].to_list() == [1]

    def million(self):
        for protocol in ("binary", "csv", "cursor", "simple"):
            whole(polars.read_database_uri(steps.EVERYTHING, self.url, protocol=protocol))
        parts = polars.read_database_uri(
            steps.EVERYTHING, self.url, partition_on="number", partition_num=4, partition_range=(0, steps.ROWS)
        )
        whole(parts)


class PolarsPsycopg:
    name = "polars (psycopg)"
    version = f"{polars.__version__}, psycopg {psycopg.__version__}"

    def __init__(self, url):
        self.connection = psycopg.connect(url.replace("postgresql://", "postgresql://ada@"), autocommit=True)

    def connect(self):
        assert polars.read_database("SELECT 1 AS one", self.connection)["one"].to_list() == [1]

    def parameters(self):
        query = "SELECT number FROM lake.field WHERE lat = %(lat)s AND lon = %(lon)s AND time = %(time)s"
        frame = polars.read_database(query, self.connection, execute_options={"params": PLACE})
        assert frame["number"].to_list() == [steps.NUMBER], frame

    def million(self):
        whole(polars.read_database(steps.EVERYTHING, self.connection))


steps.main(PandasSqlAlchemy, PandasAdbc, PolarsAdbc, PolarsConnectorX, PolarsPsycopg)
