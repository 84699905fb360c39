"""Commands of Flight SQL for pyarrow's client, which knows Flight alone; and the answers of the command line."""

import os
import subprocess

import pyarrow as pa
import pyarrow.flight as flight

from protocol_buffers import field

PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."


# Some codes of gRPC have no exception of their own.
FAILURES = (flight.FlightError, pa.ArrowException)


def connect(url):
    """A client with a connection of its own: those of one process share them unless they are told not to."""
    return flight.connect(url, generic_options=[("grpc.use_local_subchannel_pool", 1)])


def refused(text, call):
    try:
        call()
    except FAILURES as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"{text}: nothing was refused")


def command(name, *parts):
    return field(1, PREFIX + name) + field(2, b"".join(parts))


def statement(text):
    return command("CommandStatementQuery", field(1, text))


def info(client, text, options=None):
    descriptor = flight.FlightDescriptor.for_command(statement(text))
    return client.get_flight_info(descriptor, options)


def fetch(client, text, options=None):
    """All rows of all endpoints, in their order."""
    answer = info(client, text, options)
    tables = [client.do_get(e.ticket, options).read_all() for e in answer.endpoints]
    return pa.concat_tables(tables)


def command_line(folder, text):
    """What `graticule sql` answers, from the binary under test."""
    program = [os.environ["GRATICULE_BINARY"], "sql", "--config", "graticule.toml", "--format", "arrow", "-c", text]
    answer = subprocess.run(program, cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    return pa.ipc.open_stream(answer).read_all()


def processor_seconds(process):
    """What a process has computed so far."""
    with open(f"/proc/{process}/stat") as file:
        fields_of_stat = file.read().rsplit(")", 1)[1].split()
    return (int(fields_of_stat[11]) + int(fields_of_stat[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(process):
    with open(f"/proc/{process}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
