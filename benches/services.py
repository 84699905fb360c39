"""The network doors beside PostgreSQL, which holds the same rows; and a small query beside a full scan.

    python benches/services.py CUBE.zarr [rows | fairness] …

Needs GRATICULE_BINARY, and `initdb` and `postgres` in POSTGRES_BIN, on PATH or in Debian's folder for `rows`. Ten
million rows (time, lat, lon, value) of the cube are computed by Graticule for each answer; PostgreSQL has them in a
table in memory, loaded from Graticule's own COPY in binary form. Clients run in a process each, medians of three.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROWS = int(os.environ.get("ROWS", "10000000"))
REPETITIONS = int(os.environ.get("REPETITIONS", "3"))
SELECT = "SELECT time, CAST(lat AS DOUBLE) AS lat, CAST(lon AS DOUBLE) AS lon, t2m FROM {table}"

# What a client does, in a process of its own: prints the seconds and the rows that it got.
CLIENTS = {
    "psycopg, text": """
import psycopg
con = psycopg.connect(URL, autocommit=True)
def fetch():
    with con.cursor() as cursor:
        return sum(1 for _ in cursor.execute(SQL).fetchall())
""",
    "psycopg, binary": """
import psycopg
con = psycopg.connect(URL, autocommit=True)
def fetch():
    with con.cursor(binary=True) as cursor:
        return sum(1 for _ in cursor.execute(SQL).fetchall())
""",
    "asyncpg": """
import asyncio, asyncpg
loop = asyncio.new_event_loop()
con = loop.run_until_complete(asyncpg.connect(URL))
def fetch():
    return len(loop.run_until_complete(con.fetch(SQL)))
""",
    "COPY, text": """
import psycopg
con = psycopg.connect(URL, autocommit=True)
def fetch():
    with con.cursor() as cursor, cursor.copy(f"COPY ({SQL}) TO STDOUT") as copy:
        return sum(bytes(part).count(b"\\n") for part in copy)
""",
    "COPY, binary": """
import psycopg
con = psycopg.connect(URL, autocommit=True)
def fetch():
    with con.cursor() as cursor, cursor.copy(f"COPY ({SQL}) TO STDOUT (FORMAT binary)") as copy:
        size = sum(len(part) for part in copy)
    # A row: the count of its columns, and each with its length: time 8, lat 8, lon 8, value 4 bytes.
    return (size - 21) // (2 + 4 * 4 + 8 + 8 + 8 + 4)
""",
    "ADBC of PostgreSQL": """
import adbc_driver_postgresql.dbapi as dbapi
con = dbapi.connect(URL)
def fetch():
    with con.cursor() as cursor:
        cursor.execute(SQL)
        return cursor.fetch_arrow_table().num_rows
""",
    "ADBC of Flight SQL": """
import adbc_driver_flightsql.dbapi as dbapi
con = dbapi.connect(FLIGHT, db_kwargs={"adbc.flight.sql.client_option.with_max_msg_size": str(1 << 30)}, autocommit=True)
def fetch():
    with con.cursor() as cursor:
        cursor.execute(SQL)
        return sum(batch.num_rows for batch in cursor.fetch_record_batch())
""",
}

RUN = """
import json, resource, sys, time
URL, FLIGHT, SQL = sys.argv[1:4]
{client}
times = []
for _ in range({repetitions}):
    begun = time.perf_counter()
    rows = fetch()
    times.append(time.perf_counter() - begun)
print(json.dumps([times, rows]))
"""


@contextlib.contextmanager
def graticule(cube, *arguments):
    """A server on free ports; its URLs by their schemes."""
    binary = os.environ["GRATICULE_BINARY"]
    with tempfile.TemporaryDirectory() as folder:
        configuration = os.path.join(folder, "graticule.toml")
        with open(configuration, "w") as file:
            file.write(f'[stores.bench]\ntype = "file"\npath = "{os.path.dirname(os.path.abspath(cube))}"\n')
        doors = [word for door in ("pg", "http", "flight") for word in (f"--{door}", "127.0.0.1:0")]
        command = [binary, "serve", "--config", configuration, *doors, *arguments]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        urls = {}
        for line in process.stderr:
            if found := re.match(r"listening: (\w+)(\+tls)?://(\S+)", line):
                urls[found[1]] = f"{found[1]}://{found[3]}"
            if len(urls) == 3:
                break
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield urls
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def postgres():
    """A PostgreSQL of its own on a free port, without the waiting for disks; its URL."""
    folder = os.environ.get("POSTGRES_BIN") or os.path.dirname(shutil.which("initdb") or "")
    folder = folder or "/usr/lib/postgresql/15/bin"
    # It refuses to run as root.
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    data = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    if prefix:
        shutil.chown(data, "postgres", "postgres")
    port = 20000 + os.getpid() % 20000
    run = lambda *words: subprocess.run([*prefix, *words], check=True, stdout=subprocess.DEVNULL, cwd=data)
    run(os.path.join(folder, "initdb"), "-D", data, "-U", "bench", "-A", "trust", "--no-sync")
    settings = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": data, "fsync": "off",
        "shared_buffers": "2GB", "max_wal_size": "8GB", "work_mem": "256MB",
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        [*prefix, os.path.join(folder, "postgres"), "-D", data, *words], stderr=subprocess.DEVNULL, cwd=data
    )
    url = f"postgresql://bench@127.0.0.1:{port}/postgres"
    try:
        yield url
    finally:
        # Fast: it does not wait for clients that are still connected.
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(data, ignore_errors=True)


def connect(url):
    import psycopg

    for _ in range(200):
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise SystemExit(f"nobody answers at {url}")


def client(name, url, flight, sql):
    code = RUN.format(client=CLIENTS[name], repetitions=REPETITIONS)
    output = subprocess.run([sys.executable, "-c", code, url, flight, sql], capture_output=True, text=True)
    if output.returncode:
        return None, output.stderr.strip().splitlines()[-1:]
    times, rows = json.loads(output.stdout)
    return statistics.median(times), rows


def rows(cube):
    """Ten million rows through every protocol."""
    name = os.path.splitext(os.path.basename(cube))[0]
    with graticule(cube) as urls, postgres() as pg:
        ours = connect(urls["postgresql"])
        steps = ours.execute(f"SELECT count(*) FROM bench.{name} WHERE time = (SELECT min(time) FROM bench.{name})").fetchone()[0]
        last = ours.execute(f"SELECT DISTINCT time FROM bench.{name} ORDER BY time LIMIT 1 OFFSET {-(-ROWS // steps) - 1}").fetchone()[0]
        ours_sql = SELECT.format(table=f"bench.{name}") + f" WHERE time <= '{last}'"
        theirs = connect(pg)
        theirs.execute("CREATE UNLOGGED TABLE cube (time timestamp, lat float8, lon float8, t2m float4)")
        begun = time.perf_counter()
        with ours.cursor().copy(f"COPY ({ours_sql}) TO STDOUT (FORMAT binary)") as source:
            with theirs.cursor().copy("COPY cube FROM STDIN (FORMAT binary)") as target:
                for part in source:
                    target.write(part)
        print(f"loaded into PostgreSQL in {time.perf_counter() - begun:.1f} s")
        theirs.execute("VACUUM ANALYZE cube")
        count = "SELECT count(*), sum(t2m::float8), min(lat), max(lon), max(time) FROM {}"
        same = theirs.execute(count.format("cube")).fetchone()
        own = ours.execute(count.format(f"bench.{name}") + f" WHERE time <= '{last}'").fetchone()
        print("PostgreSQL says", same, "Graticule says", own)
        width = 8 + 8 + 8 + 4
        print(f"\n| client | Graticule, million rows/s | PostgreSQL | ratio |\n|---|---|---|---|")
        for who in CLIENTS:
            ours_time, found = client(who, urls["postgresql"], urls["grpc"], ours_sql)
            if "Flight" in who:
                speed = f"{found * width / ours_time / 1e9:.2f} GB/s" if ours_time else found
                print(f"| {who} | {found / ours_time / 1e6 if ours_time else 0:.2f} ({speed}) | – | – |")
                continue
            theirs_time, theirs_found = client(who, pg, "", "SELECT time, lat, lon, t2m FROM cube")
            if not ours_time or not theirs_time:
                print(f"| {who} | {found} | {theirs_found} | |")
                continue
            assert found == theirs_found, (found, theirs_found)
            print(f"| {who} | {found / ours_time / 1e6:.2f} | {found / theirs_time / 1e6:.2f} | {theirs_time / ours_time:.2f} |", flush=True)


def fairness(cube):
    """How long a small query takes while others scan the whole cube, through PostgreSQL's protocol."""
    name = os.path.splitext(os.path.basename(cube))[0]
    table = f"bench.{name}"
    small = f"SELECT t2m FROM {table} WHERE lat = 50 AND lon = 10 AND time < '2019-01-03'"
    heavy = f"SELECT lat, lon, avg(t2m), stddev(ndvi) FROM {table} GROUP BY lat, lon HAVING avg(t2m) < 0"
    with graticule(cube) as urls:
        own = connect(urls["postgresql"])

        def times(count):
            took = []
            for _ in range(count):
                begun = time.perf_counter()
                own.execute(small).fetchall()
                took.append(1000 * (time.perf_counter() - begun))
            return sorted(took)

        def say(who, took):
            p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
            print(f"{who:28} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   ({len(took)} queries)", flush=True)

        times(50)
        say("alone", times(500))
        for scans in (1, 4):
            stop = threading.Event()

            def scan():
                con = connect(urls["postgresql"])
                while not stop.is_set():
                    con.execute(heavy).fetchall()
                    done.append(1)

            done = []
            threads = [threading.Thread(target=scan) for _ in range(scans)]
            [thread.start() for thread in threads]
            time.sleep(0.5)
            took = times(500)
            stop.set()
            [thread.join() for thread in threads]
            say(f"beside {scans} full scans at a time", took)
            print(f"{'':28} {len(done)} scans ended meanwhile")


if __name__ == "__main__":
    cube, tasks = sys.argv[1], sys.argv[2:] or ["rows", "fairness"]
    for task in tasks:
        {"rows": rows, "fairness": fairness}[task](cube)
