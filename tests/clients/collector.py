"""A collector of OpenTelemetry's traces: `collector.py`; its port on the first line, then a line of JSON per span.

It speaks as much of HTTP/2 and gRPC as a client of `TraceService/Export` needs, with the standard
library: https://github.com/open-telemetry/opentelemetry-proto says which field is which. A span is printed before the
client is told that it has arrived.
"""

import json
import socket
import struct
import sys
import threading

from protocol_buffers import fields

DATA, HEADERS, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
# `:status: 200`, `content-type: application/grpc`, and `grpc-status: 0`, as HPACK writes them without a table.
HEAD = b"\x88\x0f\x10\x10application/grpc"
TRAILERS = b"\x00\x0bgrpc-status\x010"


def exactly(stream, count):
    piece = stream.read(count)
    if len(piece) < count:
        raise EOFError
    return piece


def frame(kind, flags, number, content=b""):
    return struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", number) + content


def all_of(message, number):
    return [value for found, value in fields(message) if found == number]


def one_of(message, number, default=b""):
    return (all_of(message, number) or [default])[0]


def attributes(pairs):
    found = {}
    for pair in pairs:
        kind, value = next(fields(one_of(pair, 2)))
        found[one_of(pair, 1).decode()] = value.decode() if kind == 1 else value
    return found


def spans(request):
    for resource_spans in all_of(request, 1):
        resource = attributes(all_of(one_of(resource_spans, 1), 1))
        for scope_spans in all_of(resource_spans, 2):
            for span in all_of(scope_spans, 2):
                status = one_of(span, 15)
                yield {
                    "trace": one_of(span, 1).hex(),
                    "span": one_of(span, 2).hex(),
                    "parent": one_of(span, 4).hex(),
                    "name": one_of(span, 5).decode(),
                    "kind": one_of(span, 6, 0),
                    "begin": int.from_bytes(one_of(span, 7), "little"),
                    "end": int.from_bytes(one_of(span, 8), "little"),
                    "attributes": attributes(all_of(span, 9)),
                    "error": one_of(status, 3, 0) == 2,
                    "service": resource.get("service.name"),
                }


printing = threading.Lock()


def attend(client):
    stream = client.makefile("rb")
    exactly(stream, len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
    # As much as may be sent at once, on the connection and on each of its streams.
    client.sendall(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 30)))
    client.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))
    bodies = {}
    while True:
        head = exactly(stream, 9)
        kind, flags = head[3], head[4]
        number = int.from_bytes(head[5:], "big")
        content = exactly(stream, int.from_bytes(head[:3], "big"))
        if kind == SETTINGS and not flags & ACK:
            client.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            client.sendall(frame(PING, ACK, 0, content))
        elif kind == GOAWAY:
            return
        elif kind == DATA:
            if flags & PADDED:
                content = content[1 : len(content) - content[0]]
            body = bodies[number] = bodies.get(number, b"") + content
            if flags & END_STREAM:
                assert body[0] == 0 and len(body) == 5 + int.from_bytes(body[1:5], "big"), "it is compressed, or cut"
                with printing:
                    for span in spans(body[5:]):
                        print(json.dumps(span), flush=True)
                answer = frame(HEADERS, END_HEADERS, number, HEAD) + frame(DATA, 0, number, bytes(5))
                client.sendall(answer + frame(HEADERS, END_HEADERS | END_STREAM, number, TRAILERS))
                del bodies[number]


def main():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)

        def accept():
            while True:
                client, _ = listener.accept()
                threading.Thread(target=patiently, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        # Until whoever started it has had enough.
        sys.stdin.read()


def patiently(client):
    try:
        attend(client)
    except (EOFError, ConnectionError):
        pass


if __name__ == "__main__":
    main()
