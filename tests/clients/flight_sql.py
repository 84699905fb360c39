"""Commands of Flight SQL for pyarrow's client, which knows Flight alone; and the answers of the command line."""

import os
import subprocess

import pyarrow as pa
import pyarrow.flight as flight

PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, content):
    """A field of a message of Protocol Buffers: text, bytes, or a whole number."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def fields(message):
    """The fields of a message that are texts, bytes or messages."""
    found, at = {}, 0

    def take():
        nonlocal at
        number, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        key = take()
        assert key & 7 in (0, 2), key
        value = take()
        if key & 7 == 2:
            value, at = message[at : at + value], at + value
        found[key >> 3] = value
    return found


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
