"""The disk that grids take on their way to clients: `http_grid_files.py URL SAMPLES`.

The server has `grid_files = "8MB"`.
"""

import socket
import sys
import urllib.parse

from http_door import ask, problem, until

url, samples = sys.argv[1:]
host, port = url.rsplit("/", 1)[1].split(":")
# Numbers that nothing makes smaller: eight bytes of each cell.
VALUES = ", ".join(f"random() AS v{number}" for number in range(4))
GRID = f"SELECT time, latitude, longitude, {VALUES} FROM '{samples}/ostia_monthly.nc' WHERE time < TIMESTAMP '{{}}-01'"
# One month, half of all, all: 0.2, 6 and 11 MB. The system takes some megabytes of what nobody reads.
SMALL, HALF, ALL = "2006-05", "2008-08", "2222-01"


def request(end):
    return urllib.parse.urlencode({"sql": GRID.format(end), "format": "netcdf"})


def got(end):
    return ask(f"{url}/sql?{request(end)}")


status, _, body = got(SMALL)
assert status == 200 and body[1:4] == b"HDF", (status, body)
told = problem(got(ALL), 413)
assert "grid_files" in told["detail"] and "select less" in told["detail"], told

# Who asks for a file and does not read it keeps its disk, until it goes away.
with socket.socket() as lazy:
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.settimeout(120)
    lazy.connect((host, int(port)))
    lazy.sendall(f"GET /sql?{request(HALF)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert lazy.recv(15).startswith(b"HTTP/1.1 200"), "no file"
    told = problem(got(HALF), 507)
    assert "grid_files" in told["detail"] and "try again" in told["detail"], told
    # There is room for others.
    assert got(SMALL)[0] == 200
until(lambda: got(HALF)[0] == 200, "the disk is given back")
