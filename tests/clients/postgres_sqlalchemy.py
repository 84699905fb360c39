"""Reflection and queries with SQLAlchemy: `postgres_sqlalchemy.py URL`."""

import sys

import sqlalchemy as sa


def main(url):
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://ada@"))
    inspector = sa.inspect(engine)
    schemas = inspector.get_schema_names()
    assert {"samples", "public", "cube"} <= set(schemas), schemas
    tables = inspector.get_table_names(schema="samples")
    assert "ostia_monthly" in tables, tables
    assert inspector.has_table("ostia_monthly", schema="samples")
    assert not inspector.has_table("nothing", schema="samples")
    columns = {column["name"]: column["type"] for column in inspector.get_columns("ostia_monthly", schema="samples")}
    assert isinstance(columns["surface_temperature"], (sa.REAL, sa.Double, sa.Float)), columns
    assert isinstance(columns["time"], sa.types.DateTime), columns
    assert inspector.get_pk_constraint("ostia_monthly", schema="samples")["constrained_columns"] == []
    assert inspector.get_foreign_keys("ostia_monthly", schema="samples") == []
    assert inspector.get_indexes("ostia_monthly", schema="samples") == []
    table = sa.Table("ostia_monthly", sa.MetaData(), schema="samples", autoload_with=engine)
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE OR REPLACE VIEW warm AS SELECT * FROM samples.ostia_monthly WHERE surface_temperature > 300"))
        query = (
            sa.select(table.c.latitude, sa.func.avg(table.c.surface_temperature).label("mean"))
            .where(table.c.latitude > 0)
            .group_by(table.c.latitude)
            .order_by(table.c.latitude)
            .limit(3)
        )
        rows = connection.execute(query).all()
        assert len(rows) == 3 and rows[0].latitude < rows[1].latitude, rows
        stream = connection.execution_options(stream_results=True, yield_per=100).execute(
            sa.text("SELECT value FROM generate_series(1, 1000)")
        )
        assert sum(row.value for row in stream) == 500500
    assert sa.inspect(engine).get_view_names() == ["warm"]
    print(f"SQLAlchemy: {len(tables)} tables, {len(columns)} columns of a cube")


main(sys.argv[1])
