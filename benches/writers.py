"""Makes cubes with Graticule and with others, in one run: seconds, and the largest resident size.

    benches/writers.py STORE.zarr [--runs 3] [--markdown FILE]

STORE.zarr is the full cube of benches/peers. Tasks:

  maps      t2m cut into chunks of a map per step (1 × all × all)
  series    t2m cut into chunks of whole series (all × 23 × 45)
  8-day     means over 8 days, in chunks of maps

Every maker is a process of its own, from its start to its end, and writes Zarr 3 with zstd level 1 to an
empty folder beside the store. Results are compared with xarray's, cell by cell: sums of single-precision
means may differ by their rounding. The program is GRATICULE_BINARY. A maker that is not installed is
left out and named. rechunker knows only Zarr 2: RECHUNKER_STORE is the same cube in that format, and
RECHUNKER_PATH the folder of its packages.

Then the memory of Graticule while the cube grows eightfold, with --memory 256MB.
"""

import argparse
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHUNKS = {"maps": (1, 181, 720), "series": (1460, 23, 45), "8-day": (1, 181, 720)}
MAKERS = ["graticule", "xarray + dask", "tensorstore", "rechunker"]
NEEDS = {"xarray + dask": "dask", "tensorstore": "tensorstore"}


def codecs():
    import zarr

    return {"compressors": [zarr.codecs.ZstdCodec(level=1)]}


def graticule(store, target, task, memory=None, where=""):
    chunks = ",".join(f"{axis}={size}" for axis, size in zip(("time", "lat", "lon"), CHUNKS[task]))
    query = f"SELECT time, lat, lon, t2m FROM '{store}' {where}"
    if task == "8-day":
        query = (
            "SELECT date_bin(INTERVAL '8 days', time, TIMESTAMP '2019-01-01') AS time, lat, lon, "
            f"avg(t2m) AS t2m FROM '{store}' {where} GROUP BY 1, 2, 3"
        )
    statement = f"COPY ({query}) TO '{target}' OPTIONS ('chunks' '{chunks}', 'shards' 'none', 'codec' 'zstd:1', 'dtype' 'float32')"
    limit = ["--memory", memory] if memory else []
    command = [os.environ["GRATICULE_BINARY"], "sql", *limit, "-c", statement]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def by_xarray(store, target, task):
    import dask
    import xarray

    with dask.config.set(scheduler="threads", num_workers=os.cpu_count()):
        t2m = xarray.open_zarr(store)[["t2m"]]
        if task == "8-day":
            t2m = t2m.resample(time="8D", origin="2019-01-01").mean()
        t2m = t2m.chunk(dict(zip(("time", "lat", "lon"), CHUNKS[task])))
        t2m["t2m"].encoding = {}
        t2m.to_zarr(target, zarr_format=3, consolidated=False, encoding={"t2m": codecs()})


def by_tensorstore(store, target, task):
    import tensorstore

    driver = "zarr3" if (Path(store) / "zarr.json").exists() else "zarr"
    source = tensorstore.open(
        {"driver": driver, "kvstore": {"driver": "file", "path": f"{store}/t2m"}}
    ).result()
    metadata = {
        "shape": source.shape,
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": CHUNKS[task]}},
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 1}},
        ],
    }
    kvstore = {"driver": "file", "path": f"{target}/t2m"}
    spec = {"driver": "zarr3", "kvstore": kvstore, "metadata": metadata, "create": True}
    made = tensorstore.open(spec).result()
    # Bands of whole chunks on both sides: as much as fits into memory at a time.
    axis = 0 if task == "maps" else 1
    step = 48 if task == "maps" else 23
    for start in range(0, source.shape[axis], step):
        band = [slice(None)] * 3
        band[axis] = slice(start, min(start + step, source.shape[axis]))
        made[tuple(band)].write(source[tuple(band)]).result()


def by_rechunker(store, target, task):
    import numcodecs
    import rechunker
    import zarr

    source = zarr.open_array(f"{os.environ['RECHUNKER_STORE']}/t2m", mode="r")
    plan = rechunker.rechunk(
        source,
        CHUNKS[task],
        "1GB",
        f"{target}/t2m",
        target_options={"compressor": numcodecs.Zstd(1)},
        temp_store=f"{target}.temporary",
    )
    plan.execute()


def make(maker, store, target, task):
    {
        "graticule": graticule,
        "xarray + dask": by_xarray,
        "tensorstore": by_tensorstore,
        "rechunker": by_rechunker,
    }[maker](store, target, task)


def timed(arguments):
    """Seconds and megabytes of a process and its children. Nothing large may be held here: it would be counted."""
    environment = dict(os.environ)
    if "rechunker" in arguments:
        environment["PYTHONPATH"] = os.environ["RECHUNKER_PATH"]
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, __file__, *arguments], stderr=subprocess.PIPE, env=environment)
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status:
        raise RuntimeError(errors.strip().splitlines()[-1] if errors.strip() else f"status {status}")
    return seconds, usage.ru_maxrss / 1000


def differs(one, other):
    import numpy
    import zarr

    one, other = (zarr.open_array(f"{path}/t2m", mode="r") for path in (one, other))
    if one.shape != other.shape:
        return f"shape {one.shape} is not {other.shape}"
    for start in range(0, one.shape[0], 200):
        first, second = one[start : start + 200], other[start : start + 200]
        if not numpy.allclose(first, second, rtol=1e-6, atol=0, equal_nan=True):
            return f"cells differ by up to {numpy.nanmax(abs(first - second))}"
    return None


def compare(store, runs, work):
    lines = ["| task | maker | seconds | peak MB | × graticule |", "|---|---|---|---|---|"]
    for task in CHUNKS:
        reference, ours = work / "reference.zarr", None
        shutil.rmtree(reference, ignore_errors=True)
        timed(["--make", "xarray + dask", str(store), str(reference), task])
        for maker in MAKERS:
            is_absent = maker in NEEDS and not importlib.util.find_spec(NEEDS[maker])
            if is_absent or (maker == "rechunker" and "RECHUNKER_PATH" not in os.environ):
                lines.append(f"| {task} | {maker} | not installed | | |")
                continue
            if task == "8-day" and maker in ("tensorstore", "rechunker"):
                continue
            target, results = work / "target.zarr", []
            try:
                for _ in range(runs):
                    for left in (target, work / "target.zarr.temporary"):
                        shutil.rmtree(left, ignore_errors=True)
                    os.sync()
                    results.append(timed(["--make", maker, str(store), str(target), task]))
            except RuntimeError as error:
                lines.append(f"| {task} | {maker} | failed: {error} | | |")
                continue
            seconds = statistics.median(seconds for seconds, _ in results)
            peak = max(peak for _, peak in results)
            ours = ours or seconds
            command = [sys.executable, __file__, "--compare", str(target), str(reference)]
            wrong = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
            said = f" WRONG: {wrong}" if wrong else ""
            lines.append(f"| {task} | {maker} | {seconds:.2f}{said} | {peak:.0f} | {seconds / ours:.2f} |")
            print(lines[-1], flush=True)
    return lines


def memory(store, work):
    lines = ["| part of the cube | seconds | peak MB |", "|---|---|---|"]
    for share in (8, 4, 2, 1):
        target = work / "target.zarr"
        shutil.rmtree(target, ignore_errors=True)
        steps = 1460 // share
        seconds, peak = timed(["--grow", str(store), str(target), str(steps)])
        lines.append(f"| {steps} of 1460 steps into series | {seconds:.2f} | {peak:.0f} |")
        print(lines[-1], flush=True)
    return lines


def main():
    if sys.argv[1] == "--make":
        return make(*sys.argv[2:])
    if sys.argv[1] == "--compare":
        return print(differs(*sys.argv[2:]) or "")
    if sys.argv[1] == "--grow":
        store, target, steps = sys.argv[2:]
        where = f"WHERE time < TIMESTAMP '2019-01-01' + INTERVAL '{int(steps) * 6} hours'"
        return graticule(store, target, "series", "256MB", where)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.store.parent) as folder:
        lines = compare(arguments.store, arguments.runs, Path(folder))
        lines += ["", *memory(arguments.store, Path(folder))]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text)


if __name__ == "__main__":
    main()
