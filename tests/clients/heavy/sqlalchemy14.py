"""SQLAlchemy 1.4 with psycopg2, as older tools have them: `sqlalchemy14.py URL`."""

import psycopg2
import sqlalchemy as sa
import steps


class SqlAlchemy:
    name = "SQLAlchemy 1.4 (psycopg2)"
    version = f"{sa.__version__}, psycopg2 {psycopg2.__version__.split()[0]}"

    def __init__(self, url):
        self.engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg2://ada@"))

    def connect(self):
        with self.engine.connect() as connection:
            assert connection.execute(sa.text("SELECT 1")).scalar() == 1

    def browse(self):
        inspector = sa.inspect(self.engine)
        assert "lake" in inspector.get_schema_names()
        tables = inspector.get_table_names(schema="lake")
        assert tables == ["field"], tables
        columns = {column["name"]: column for column in inspector.get_columns("field", schema="lake")}
        assert list(columns) == steps.COLUMNS, columns
        assert isinstance(columns["time"]["type"], sa.types.TIMESTAMP), columns
        assert isinstance(columns["temperature"]["type"], sa.types.REAL), columns
        assert not columns["time"]["nullable"] and columns["temperature"]["nullable"]
        assert inspector.get_pk_constraint("field", schema="lake")["constrained_columns"] == []
        assert inspector.get_foreign_keys("field", schema="lake") == []
        assert inspector.get_unique_constraints("field", schema="lake") == []
        assert inspector.get_check_constraints("field", schema="lake") == []
        assert inspector.get_indexes("field", schema="lake") == []
        assert inspector.get_table_comment("field", schema="lake") == {"text": None}
        assert inspector.get_view_names(schema="lake") == []
        assert inspector.get_enums() == []
        assert inspector.has_table("field", schema="lake") and not inspector.has_table("nothing", schema="lake")
        metadata = sa.MetaData()
        metadata.reflect(self.engine, schema="lake")
        self.field = metadata.tables["lake.field"]
        return f"{len(tables)} table, {len(columns)} columns"

    def parameters(self):
        field = self.field.c
        query = sa.select(field.number).where(
            field.lat == steps.LATITUDE, field.lon == steps.LONGITUDE, field.time == steps.TIME
        )
        month = sa.func.date_trunc("month", field.time)
        means = sa.select(month.label("month"), sa.func.avg(field.temperature)).group_by(month).order_by(month)
        with self.engine.connect() as connection:
            assert connection.execute(query).scalar() == steps.NUMBER
            rows = connection.execute(means).all()
            assert len(rows) == 4 and rows[0].month.day == 1 and abs(rows[0][1] - 15.005) < 1e-3, rows
            listed = sa.select(sa.func.count()).where(field.lat.in_([1.0, 2.0]), field.number.between(0, 99_999))
            assert connection.execute(listed).scalar() == 2000

    def million(self):
        with self.engine.connect().execution_options(stream_results=True) as connection:
            rows = total = 0
            for row in connection.execute(sa.text(steps.EVERYTHING)).yield_per(10_000):
                rows += 1
                total += row.number
        assert (rows, total) == (steps.ROWS, steps.SUM), (rows, total)

    def cancel(self):
        with self.engine.connect() as connection:
            run = lambda: connection.execute(sa.text(steps.ENDLESS)).all()
            return steps.cancelled(run, connection.connection.cancel, sa.exc.DBAPIError)


steps.main(SqlAlchemy)
