"""Arrow tables through ADBC's driver of PostgreSQL, which reads binary copies: `postgres_adbc.py URL`."""

import sys

import adbc_driver_postgresql.dbapi as adbc


def main(url):
    with adbc.connect(url.replace("postgresql://", "postgresql://ada@"), autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT time, latitude, surface_temperature, 'x' AS word, true AS flag "
                "FROM samples.ostia_monthly WHERE latitude > 0"
            )
            table = cursor.fetch_arrow_table()
            assert table.num_rows > 0 and table.column_names[0] == "time", table.schema
            assert str(table.schema.field("time").type) == "timestamp[us]", table.schema
            cursor.execute("SELECT count(*) FROM samples.ostia_monthly WHERE latitude > 0")
            assert cursor.fetchone()[0] == table.num_rows
            cursor.execute("SELECT $1 + 1 AS next", (41,))
            assert cursor.fetchone()[0] == 42
        schema = connection.adbc_get_table_schema("ostia_monthly", db_schema_filter="samples")
        assert "surface_temperature" in schema.names, schema
        objects = connection.adbc_get_objects(depth="tables", db_schema_filter="samples").read_all().to_pylist()
        names = [
            table["table_name"]
            for catalog in objects
            for schema in catalog["catalog_db_schemas"] or []
            for table in schema["db_schema_tables"] or []
        ]
        assert "ostia_monthly" in names, objects
        print(f"ADBC: {table.num_rows} rows, {len(names)} tables")


main(sys.argv[1])
