"""The disk that grids take on their way to clients: `http_grid_files.py URL`, of a server with `grid_files = "12MB"`."""

import socket
import sys
import urllib.parse

from http_door import ask, problem, until

url = sys.argv[1]
host, port = url.rsplit("/", 1)[1].split(":")
# Numbers that nothing makes smaller: eight bytes of each cell.
GRID = "SELECT CAST(value / 1000 AS DOUBLE) AS lat, CAST(value % 1000 AS DOUBLE) AS lon, random() AS v FROM generate_series(0, {})"


def got(cells):
    query = urllib.parse.urlencode({"sql": GRID.format(cells - 1), "format": "netcdf"})
    return ask(f"{url}/sql?{query}")


status, _, body = got(1000)
assert status == 200 and body[1:4] == b"HDF", (status, body)
told = problem(got(2_000_000), 413)
assert "grid_files" in told["detail"] and "select less" in told["detail"], told

# Who asks for a file and does not read it keeps its disk, until it goes away.
with socket.socket() as lazy:
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.settimeout(120)
    lazy.connect((host, int(port)))
    query = urllib.parse.urlencode({"sql": GRID.format(999_999), "format": "netcdf"})
    lazy.sendall(f"GET /sql?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert lazy.recv(15).startswith(b"HTTP/1.1 200"), "no file"
    told = problem(got(1_000_000), 507)
    assert "grid_files" in told["detail"] and "try again" in told["detail"], told
    # There is room for others.
    assert got(1000)[0] == 200
until(lambda: got(1_000_000)[0] == 200, "the disk is given back")
