"""How fast results come over Arrow Flight SQL on the loopback device, beside bare bytes over TCP in the same run.

    benches/flight.py [rows in millions, 10 unless it is said]

Starts the program of GRATICULE_BINARY, or that of the last release build, over a cube that it makes with xarray and
leaves nothing behind. A result is taken batch by batch and thrown away, by pyarrow's client of Flight and by ADBC;
three times each, of which the best counts. The first run, which fills the cache of chunks, is not timed.

The interpreter needs xarray, zarr and pyarrow; ADBC is measured where adbc_driver_flightsql can be imported.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing import Process
from pathlib import Path

import numpy
import pyarrow.flight as flight
import xarray

try:
    import adbc_driver_flightsql.dbapi as adbc
except ImportError:
    adbc = None

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests" / "clients"))
from flight_sql import info  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")
BINARY = os.environ.get("GRATICULE_BINARY") or TARGET / "release" / "graticule"
MILLIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
BANDS = [f"band_{number}" for number in range(8)]
QUESTIONS = {
    "rows": "SELECT time, lat, lon, band_0 AS value FROM bench.cube",
    "wide": f"SELECT {', '.join(BANDS)} FROM bench.cube",
}


def make_cube(folder):
    shape = (MILLIONS * 4, 500, 500)
    random = numpy.random.default_rng(1)
    chunk = random.random(shape, dtype="f4")
    axes = {
        "time": numpy.datetime64("2020-01-01", "ns") + numpy.arange(shape[0]) * numpy.timedelta64(1, "h"),
        "lat": numpy.linspace(-45, 45, shape[1]),
        "lon": numpy.linspace(0, 90, shape[2]),
    }
    arrays = {name: (tuple(axes), chunk) for name in BANDS}
    encoding = {name: {"chunks": (4, 500, 500), "compressors": None} for name in BANDS}
    xarray.Dataset(arrays, axes).to_zarr(folder / "cube.zarr", encoding=encoding, zarr_format=3, consolidated=False)


def send(port, count):
    block = bytes(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as sender:
        for _ in range(count):
            sender.sendall(block)


def over_tcp(count=2000):
    """Bytes, and the seconds that they take from one process to another."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = Process(target=send, args=(server.getsockname()[1], count))
        sender.start()
        receiver, _ = server.accept()
        buffer = bytearray(1 << 20)
        begun, total = time.perf_counter(), 0
        while received := receiver.recv_into(buffer):
            total += received
        taken = time.perf_counter() - begun
        sender.join()
    return total, taken


def over_flight(client, query):
    begun, total = time.perf_counter(), 0
    for endpoint in info(client, query).endpoints:
        for chunk in client.do_get(endpoint.ticket):
            total += chunk.data.nbytes
    return total, time.perf_counter() - begun


def over_adbc(cursor, query):
    begun = time.perf_counter()
    cursor.execute(query)
    total = sum(batch.nbytes for batch in cursor.fetch_record_batch())
    return total, time.perf_counter() - begun


def best(measure, *arguments):
    total, taken = min((measure(*arguments) for _ in range(3)), key=lambda result: result[1])
    return total / taken / 1e6


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_cube(folder)
        (folder / "graticule.toml").write_text('[stores.bench]\ntype = "file"\npath = "."\n')
        program = [BINARY, "serve", "--config", "graticule.toml", "--flight", "127.0.0.1:0"]
        server = subprocess.Popen(program, cwd=folder, stderr=subprocess.PIPE, text=True)
        try:
            url = next(line for line in server.stderr if line.startswith("listening: ")).split()[1]
            print(f"{'':24}{'MB/s':>8}{'of TCP':>8}")
            floor = best(over_tcp)
            print(f"{'bytes over TCP':24}{floor:8.0f}{1:8.2f}")
            client = flight.connect(url)
            for question, query in QUESTIONS.items():
                over_flight(client, query)
                speed = best(over_flight, client, query)
                print(f"{question + ', pyarrow.flight':24}{speed:8.0f}{speed / floor:8.2f}")
                if adbc:
                    with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
                        speed = best(over_adbc, cursor, query)
                    print(f"{question + ', ADBC':24}{speed:8.0f}{speed / floor:8.2f}")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
