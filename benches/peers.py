"""Runs Graticule beside its peers: the yardstick's engines and questions, and two engines more.

    benches/peers.py [--markdown FILE] STORE.zarr [arguments of the yardstick]

The yardstick is the peers.py of GRATICULE_PEERS, a folder (../shared/peers unless it says otherwise).
Engines that it gains:

  graticule         one long-running `graticule sql` at the other end of a pipe, cube.cache off
  graticule_cached  the same with a cache for the whole cube, filled by an untimed run of each question

  graticule_pg      `graticule serve`, cube.cache off, through PostgreSQL's protocol with psycopg

All know what ANALYZE tells of the chunks, which is not in their times, as converting is not in others'.

A time is from writing the statement until its result is a pandas DataFrame. The program is
GRATICULE_BINARY, or that of the last release build. Ends with 1 when an answer of Graticule differs
from the reference or is missing.
"""

import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
YARDSTICK = Path(os.environ.get("GRATICULE_PEERS") or REPOSITORY.parent / "shared" / "peers")
sys.path.insert(0, str(YARDSTICK))
import peers as yardstick  # noqa: E402

# The yardstick starts a process per engine, which has to know ours.
yardstick.__file__ = __file__

OURS = ("graticule", "graticule_cached", "graticule_pg")
# Questions about all cells, of which the time to read them is a large part.
FULL_CUBE = ["Q05", "Q06", "Q07", *(f"Q{number}" for number in range(12, 20)), "Q23", "Q24"]
GROUP_BYS = ["Q12", "Q13", "Q14", "Q15", "Q16", "Q17", "Q18", "Q20", "Q23"]


def program():
    named = os.environ.get("GRATICULE_BINARY")
    return Path(named) if named else Path(os.environ["CARGO_TARGET_DIR"]) / "release" / "graticule"


class Graticule(yardstick.SqlEngine):
    """One `graticule sql` for all questions. A question that fails ends it; the next starts another."""

    setup = "SET cube.cache = false;"
    cache = "1GB"

    def open(self):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.tables = ""
        for name, frame in (("regions", self.regions()), ("zones", self.zones())):
            path = f"{self.tmp}/{name}.parquet"
            pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
            self.tables += f"CREATE EXTERNAL TABLE {name} STORED AS PARQUET LOCATION '{path}';\n"
        store = os.path.abspath(self.store)
        self.tables += f"CREATE EXTERNAL TABLE cube STORED AS ZARR LOCATION '{store}';\n"
        Path(self.tmp, "graticule.toml").write_text(f"[engine]\ncache = '{self.cache}'\n")
        self.start()

    def start(self):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [
                program(), "sql", "--format", "arrow", "--config", f"{self.tmp}/graticule.toml",
                "--threads", str(self.args.threads), "--memory", self.args.memory,
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
        )  # fmt: skip
        # What the chunks hold is known beforehand, as it is in the files that others convert the cube to.
        self.ask(f"{self.tables}{self.setup}\nSELECT 1")
        self.ask("ANALYZE cube")
        # The yardstick asks for the peak of its own process, where the other engines are.
        yardstick.resource = Peak(self.process.pid)

    def ask(self, sql):
        import pyarrow as pa

        try:
            self.process.stdin.write(f"{sql};\n".encode())
            self.process.stdin.flush()
            with pa.ipc.open_stream(self.process.stdout) as stream:
                return stream.read_pandas()
        except (OSError, pa.ArrowInvalid) as error:
            self.process.kill()
            self.process.wait()
            self.errors.seek(0)
            message = self.errors.read().decode(errors="replace") or str(error)
            raise RuntimeError(message.strip()) from None

    def run(self, q):
        if self.process.poll() is not None:
            self.start()
        if q.xr == "write":
            return self.write(self.sql(q))
        return self.ask(self.sql(q))

    def write(self, query):
        """A new cube; what is in it, and the seconds that it took."""
        cube = f"{self.tmp}/w8.zarr"
        self.rm(cube)
        start = time.perf_counter()
        self.ask(f"COPY ({query}) TO '{cube}' OPTIONS ('dims' 'time,lat,lon', 't2m.dtype' 'float32')")
        seconds = time.perf_counter() - start
        return yardstick._checksum_zarr(cube), seconds

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        super().close()


class GraticuleCached(Graticule):
    setup = "SET cube.cache = true;"
    # A question may fill a quarter of it, and it may be a quarter of the memory.
    cache = "16GB"

    def open(self):
        self.args.memory = "64GB"
        self.filled = set()
        super().open()

    def run(self, q):
        if q.id not in self.filled:
            super().run(q)
            self.filled.add(q.id)
        return super().run(q)


class GraticulePg(Graticule):
    """One `graticule serve` for all questions, asked as a client of PostgreSQL."""

    def start(self):
        import psycopg

        self.errors = open(f"{self.tmp}/server.log", "w+b")
        self.process = subprocess.Popen(
            [
                program(), "serve", "--pg", "127.0.0.1:0", "--config", f"{self.tmp}/graticule.toml",
                "--threads", str(self.args.threads), "--memory", self.args.memory,
            ],
            stderr=self.errors,
        )  # fmt: skip
        while not (found := re.search(r"listening: (postgresql://\S+)\n", Path(self.errors.name).read_text())):
            if self.process.poll() is not None:
                raise RuntimeError(Path(self.errors.name).read_text())
            time.sleep(0.05)
        self.connection = psycopg.connect(found[1], autocommit=True)
        self.ask(f"{self.tables}{self.setup}\nSELECT 1")
        self.ask("ANALYZE cube")
        yardstick.resource = Peak(self.process.pid)

    def ask(self, sql):
        import pandas as pd

        cursor = self.connection.execute(sql)
        while cursor.nextset():
            pass
        if cursor.description is None:
            return pd.DataFrame()
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])

    def close(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait()
        yardstick.SqlEngine.close(self)


class Peak:
    """What the yardstick wants of the module `resource`, for another process."""

    RUSAGE_SELF = 0

    def __init__(self, process):
        self.status = Path(f"/proc/{process}/status")

    def getrusage(self, _):
        self.ru_maxrss = int(self.status.read_text().split("VmHWM:")[1].split()[0])
        return self


yardstick.ENGINES.update(graticule=Graticule, graticule_cached=GraticuleCached, graticule_pg=GraticulePg)


def median(result):
    return statistics.median(result["times"]) if result.get("status") == "done" else None


def wrong(result):
    return result.get("check", "ok") != "ok"


def markdown(found, command):
    """The table engine × question of one run."""
    results = found["results"]
    engines = [engine for engine in OURS if engine in results]
    peers = [engine for engine in results if engine not in OURS]
    lines = [
        "# Graticule and its peers",
        "",
        "Medians in seconds, all engines in one run, on the same cube, with a warm page cache.",
        "`n/a`: the engine cannot ask it; `!`: its answer differs from the reference's. The last column is",
        "`graticule` over the fastest peer with a right answer: below 1 Graticule is first.",
        "",
        f"Made with `{command}`; see [README.md](README.md) for what the engines are.",
        "",
        machine(found),
        "",
        "| question | " + " | ".join(engines + peers) + " | ours / best peer |",
        "|---|" + "---:|" * (len(engines) + len(peers) + 1),
    ]
    ratios = {}
    for question in yardstick.QUERIES:
        row = {engine: results[engine].get(question.id, {}) for engine in engines + peers}
        if not any(row.values()):
            continue
        right = {peer: median(row[peer]) for peer in peers if median(row[peer]) and not wrong(row[peer])}
        best = min(right, key=right.get, default=None)
        ours = median(row.get(OURS[0], {}))
        last = ""
        if best and ours:
            ratios[question.id] = ours / right[best]
            last = f"{ours / right[best]:.2f} × {best}"
        cells = [cell(row[engine], engine == best) for engine in engines + peers]
        title = question.title.replace("|", "\\|")
        lines.append(f"| {question.id} {title} | " + " | ".join(cells) + f" | {last} |")
    peak = {engine: max((r.get("rss_mb", 0) for r in results[engine].values()), default=0) for engine in engines + peers}
    lines.append("| peak memory, MB | " + " | ".join(f"{peak[engine]:.0f}" for engine in engines + peers) + " | |")
    return "\n".join([*lines, "", *summary(ratios, results), ""])


def cell(result, is_best):
    time = median(result)
    if time is None:
        return {"na": "n/a", "open_na": "n/a"}.get(result.get("status"), result.get("status", "").removeprefix("open_"))
    text = f"{time:.4f}" + ("!" if wrong(result) else "")
    return f"**{text}**" if is_best else text


def summary(ratios, results):
    """What the table says about the targets."""
    slower = [question for question, ratio in ratios.items() if ratio > 1]
    yield f"- first on {len(ratios) - len(slower)} of {len(ratios)}" + (f"; not on {', '.join(slower)}" if slower else "")
    full = [question for question in FULL_CUBE if question in ratios]
    close = [question for question in full if ratios[question] > 1 / 3]
    yield f"- at least 3 × the best peer on {len(full) - len(close)} of {len(full)} questions to the full cube" + (
        f"; not on {', '.join(close)}" if close else ""
    )
    rows = results.get("xarray_sql", {})
    times = {question: (median(results["graticule"].get(question, {})), median(rows.get(question, {}))) for question in GROUP_BYS}
    times = {question: other / ours for question, (ours, other) in times.items() if ours and other}
    few = [f"{question} ({times[question]:.1f} ×)" for question in times if times[question] < 10]
    yield f"- at least 10 × xarray-sql on {len(times) - len(few)} of {len(times)} group-bys" + (
        f"; not on {', '.join(few)}" if few else ""
    )


def machine(found):
    version = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    versions = {"Python": platform.python_version(), **found["versions"]}
    for package in ("numbagg", "shapely"):
        versions[package] = importlib.metadata.version(package)
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, {found['threads']} threads, "
        f"medians of {found['reps']}. {version}; {packages}."
    )


def main():
    arguments = sys.argv[1:]
    if "--worker" in arguments:
        return yardstick.main()
    target = None
    if arguments[:1] == ["--markdown"]:
        target, arguments = Path(arguments[1]), arguments[2:]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "results.json")
        sys.argv = [sys.argv[0], *arguments, "--json", str(answer)]
        yardstick.main()
        if not answer.exists():
            return 0
        found = json.loads(answer.read_text())
    if target:
        target.write_text(markdown(found, "benches/peers table"))
    ours = [result for engine in OURS for result in found["results"].get(engine, {}).values()]
    return int(any(wrong(result) or result["status"] not in ("done", "na") for result in ours))


if __name__ == "__main__":
    sys.exit(main())
