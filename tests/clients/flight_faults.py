"""Requests that make no sense, and how mistakes are told. Arguments: URL, and others that are not needed."""

import sys

import pyarrow as pa
import pyarrow.flight as flight

from flight_sql import command, fetch, statement
from protocol_buffers import field

url = sys.argv[1]
client = flight.connect(url)
descriptor = flight.FlightDescriptor.for_command


def refused(kind, text, call):
    try:
        call()
    except kind as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"{text}: nothing was refused")


def put(cmd, table=pa.table({"a": [1]})):
    writer, reader = client.do_put(descriptor(cmd), table.schema)
    writer.write_table(table)
    writer.done_writing()
    result = reader.read()
    writer.close()
    return result


invalid, absent, unsupported = pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowNotImplementedError
refused(invalid, "no command of Flight SQL", lambda: client.get_flight_info(descriptor(b"\xff\xff")))
refused(invalid, "cannot be read", lambda: client.get_flight_info(descriptor(command("CommandStatementQuery", b"\x0a\xff"))))
refused(unsupported, "not supported here", lambda: client.get_flight_info(descriptor(b"")))
refused(unsupported, "CommandStatementSubstraitPlan", lambda: client.get_flight_info(descriptor(command("CommandStatementSubstraitPlan"))))
refused(unsupported, "not supported here", lambda: client.get_flight_info(flight.FlightDescriptor.for_path("a", "b")))
refused(invalid, "no command of Flight SQL", lambda: client.do_get(flight.Ticket(b"nonsense")).read_all())
refused(invalid, "none of this server", lambda: client.do_get(flight.Ticket(command("TicketStatementQuery", field(1, "short")))).read_all())
forged = command("TicketStatementQuery", field(1, b"\xff" * 40))
refused(invalid, "none of this server", lambda: client.do_get(flight.Ticket(forged)).read_all())
unknown = command("CommandPreparedStatementQuery", field(1, b"x" * 16))
refused(invalid, "no such prepared statement", lambda: client.get_flight_info(descriptor(unknown)))
refused(invalid, "no such prepared statement", lambda: client.do_get(flight.Ticket(unknown)).read_all())
refused(invalid, "no such prepared statement", lambda: put(unknown))
refused(unsupported, "CommandStatementIngest", lambda: put(command("CommandStatementIngest")))
refused(unsupported, "no transactions", lambda: list(client.do_action(flight.Action("BeginTransaction", b""))))
refused(unsupported, "Nonsense", lambda: list(client.do_action(flight.Action("Nonsense", b""))))
refused(invalid, "CreatePreparedStatement", lambda: list(client.do_action(flight.Action("CreatePreparedStatement", statement("SELECT 1")))))
refused(unsupported, "ListFlights", lambda: list(client.list_flights()))
options = flight.FlightCallOptions(headers=[(b"graticule-compression", b"rar")])
refused(invalid, "lz4 or zstd", lambda: fetch(client, "SELECT 1", options))
options = flight.FlightCallOptions(headers=[(b"authorization", b"Negotiate x")])
refused(flight.FlightUnauthenticatedError, "neither Basic nor Bearer", lambda: fetch(client, "SELECT 1", options))

# Codes by SQLSTATE, the message as on the command line.
refused(invalid, "there is no column nope", lambda: fetch(client, "SELECT nope FROM generate_series(1, 2)"))
refused(absent, "there is no schema nowhere", lambda: fetch(client, "SELECT 1 FROM nowhere.x"))
refused(unsupported, "not supported", lambda: fetch(client, "BEGIN"))
refused(invalid, "there is no column \"ééé", lambda: fetch(client, f'SELECT "{"é" * 20000}" FROM generate_series(1, 2)'))
# After rows have been sent, too.
refused(invalid, "division by zero", lambda: fetch(client, "SELECT 1 / (value - 900000) FROM generate_series(1, 1000000)"))
assert fetch(client, "SELECT 1 AS one").to_pylist() == [{"one": 1}]
print("ok")
