"""What there is, as clients that browse ask for it. Arguments: URL, and others that are not needed."""

import sys

import adbc_driver_flightsql.dbapi as adbc
import pyarrow as pa
import pyarrow.flight as flight

from flight_sql import command
from protocol_buffers import field

url = sys.argv[1]

with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
    information = connection.adbc_get_info()
    assert information["vendor_name"] == "Graticule", information
    assert connection.adbc_get_table_types() == ["SYSTEM TABLE", "TABLE", "VIEW"]

    def objects(**options):
        (catalogue,) = connection.adbc_get_objects(**options).read_all().to_pylist()
        assert catalogue["catalog_name"] == "graticule"
        return {s["db_schema_name"]: s["db_schema_tables"] for s in catalogue["catalog_db_schemas"] or []}

    cursor.execute("SELECT table_schema, table_name FROM cube.tables")
    listed = set(cursor.fetchall())
    assert ("olci", "cube-1-250-250") in listed
    assert objects(depth="catalogs") == {}
    assert set(objects(depth="db_schemas")) == {"olci", "broken", "cube", "information_schema", "public"}
    assert set(objects(depth="db_schemas", db_schema_filter="ol%")) == {"olci"}
    schemas = objects(depth="tables")
    found = {(schema, table["table_name"]) for schema, tables in schemas.items() for table in tables or []}
    assert listed <= found, listed - found
    assert ("cube", "tables") in found and ("information_schema", "columns") in found
    views = objects(depth="tables", table_types_filter=["VIEW"])
    assert [table["table_name"] for table in views["public"]] == ["warm"], views

    everything = objects(depth="all", db_schema_filter="olci", table_name_filter="cube-1%")
    assert len(everything["olci"]) > 1
    for table in everything["olci"]:
        name = table["table_name"]
        cursor.execute(f'SELECT * FROM olci."{name}" LIMIT 0')
        expected = cursor.fetch_arrow_table().schema
        assert [column["column_name"] for column in table["table_columns"]] == expected.names, name
        assert connection.adbc_get_table_schema(name, db_schema_filter="olci").equals(expected), name

    # A table that cannot be opened has no columns, and hides nothing.
    (broken,) = objects(depth="all", db_schema_filter="broken")["broken"]
    assert not broken["table_columns"], broken

client = flight.connect(url)


def answer(name, *parts):
    descriptor = flight.FlightDescriptor.for_command(command(name, *parts))
    info = client.get_flight_info(descriptor)
    table = client.do_get(info.endpoints[0].ticket).read_all()
    assert table.schema.equals(info.schema), name
    return table


assert answer("CommandGetPrimaryKeys", field(3, "x")).num_rows == 0
for name in ("CommandGetExportedKeys", "CommandGetImportedKeys", "CommandGetCrossReference"):
    assert answer(name).schema.names[0] == "pk_catalog_name"
types = answer("CommandGetXdbcTypeInfo")
assert "TIMESTAMP" in types["type_name"].to_pylist()
assert answer("CommandGetXdbcTypeInfo", field(1, 8))["type_name"].to_pylist() == ["DOUBLE"]
assert answer("CommandGetSqlInfo", field(1, b"\x00"))["info_name"].to_pylist() == [0]
assert pa.types.is_union(answer("CommandGetSqlInfo").schema.field("value").type)
assert {action.type for action in client.list_actions()} >= {"CreatePreparedStatement", "CancelFlightInfo"}
print("ok")
