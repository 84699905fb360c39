"""Cubes on other grids: Graticule beside rasterio (GDAL) and xcube, for the same work and the same threads.

    python benches/warps.py FOLDER [task …]      FOLDER keeps the global cube between runs

Needs GRATICULE_BINARY, and GRATICULE_TEST_DATA for the task `sea`. Peers run in their own process: rasterio in this
Python, xcube in the one that XCUBE_PYTHON names, if any. Times are of whole processes, medians of three runs; results
are compared with GDAL's. Memory is the peak of the process.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

THREADS = "2"
REPETITIONS = int(os.environ.get("REPETITIONS", "3"))

TASKS = {
    # Three variables, five times, of chlorophyll and its like to 300 m.
    "sea": dict(
        source=os.path.join(os.environ.get("GRATICULE_TEST_DATA", ""), "olci-sns", "cube-1-250-250.zarr"),
        variables=["conc_chl", "conc_tsm", "kd489"],
        crs="EPSG:3035",
        bbox=[3_606_300, 2_999_700, 3_981_900, 3_312_300],
        step=300,
    ),
    # A field of 0.05° on the whole globe, three times, to equal areas.
    "globe": dict(
        source="globe.zarr",
        variables=["v"],
        crs="EPSG:6933",
        bbox=[-17_365_000, -7_310_000, 17_365_000, 7_310_000],
        step=5_000,
    ),
}


def make_globe(path):
    import numpy as np
    import xarray as xr

    lon = -180 + 0.05 * (np.arange(7200) + 0.5)
    lat = 90 - 0.05 * (np.arange(3600) + 0.5)
    noise = np.random.default_rng(1).normal(scale=0.05, size=(3, 3600, 7200))
    waves = 280 + 20 * np.cos(np.radians(lat))[:, None] + 3 * np.sin(np.radians(3 * lon))
    values = np.round(waves + noise, 2).astype("f4")
    values[:, (np.sin(np.radians(5 * lat))[:, None] + np.cos(np.radians(4 * lon))) > 1.2] = np.nan
    times = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], "datetime64[ns]")
    axes = {"time": times, "lat": lat, "lon": lon}
    data = xr.Dataset({"v": (("time", "lat", "lon"), values)}, axes)
    data.lat.attrs.update(units="degrees_north", standard_name="latitude")
    data.lon.attrs.update(units="degrees_east", standard_name="longitude")
    data.v.encoding["chunks"] = (1, 600, 600)
    data.to_zarr(path, zarr_format=2)


def graticule(task, target):
    columns = ", ".join(task["variables"])
    sql = (
        f"COPY (SELECT time, y, x, {columns} FROM reproject('{task['source']}', crs => '{task['crs']}', "
        f"resolution => {task['step']}, bbox => {task['bbox']}, method => 'bilinear')) "
        f"TO '{target}' STORED AS ZARR OPTIONS (chunks 'time=1,y=512,x=512')"
    )
    return [os.environ["GRATICULE_BINARY"], "sql", "--threads", THREADS, "-c", sql]


def peer(name, python, task_name, target):
    return [python, os.path.abspath(__file__), "--peer", name, task_name, target]


def as_rasterio(task, target):
    import numpy as np
    import xarray as xr
    import zarr
    from affine import Affine
    from rasterio.warp import Resampling, reproject

    data = xr.open_zarr(task["source"], chunks=None)
    lon, lat = data.lon.values, data.lat.values
    step_x, step_y = (lon[-1] - lon[0]) / (len(lon) - 1), (lat[-1] - lat[0]) / (len(lat) - 1)
    source = Affine(step_x, 0, lon[0] - step_x / 2, 0, step_y, lat[0] - step_y / 2)
    west, south, east, north = task["bbox"]
    step = task["step"]
    width, height = round((east - west) / step), round((north - south) / step)
    grid = Affine(step, 0, west, 0, -step, north)
    group = zarr.open_group(target, mode="w", zarr_format=2)
    for name in task["variables"]:
        shape = (data.sizes["time"], height, width)
        made = group.create_array(name, shape=shape, chunks=(1, 512, 512), dtype="f4", fill_value=np.nan)
        for at in range(shape[0]):
            out = np.full(shape[1:], np.nan, "f4")
            reproject(
                data[name].isel(time=at).values,
                out,
                src_transform=source,
                src_crs="EPSG:4326",
                dst_transform=grid,
                dst_crs=task["crs"],
                src_nodata=np.nan,
                dst_nodata=np.nan,
                resampling=Resampling.bilinear,
                num_threads=int(THREADS),
            )
            made[at] = out


def as_xcube(task, target):
    import dask
    import xcube.core.new  # noqa: F401
    import xarray as xr
    from xcube.core.gridmapping import GridMapping
    from xcube.core.resampling import resample_in_space

    dask.config.set(num_workers=int(THREADS))
    data = xr.open_zarr(task["source"])[task["variables"]]
    west, south, east, north = task["bbox"]
    size = (round((east - west) / task["step"]), round((north - south) / task["step"]))
    grid = GridMapping.regular(size=size, xy_min=(west, south), xy_res=task["step"], crs=task["crs"], tile_size=512)
    made = resample_in_space(data, target_gm=grid)
    for name in made.variables:
        made[name].encoding = {}
    made.to_zarr(target, mode="w", zarr_format=2)


def measured(command):
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status != 0:
        raise RuntimeError(error.strip().splitlines()[-1] if error.strip() else f"status {status}")
    return seconds, usage.ru_maxrss / 1024


def compare(one, other, variables):
    import numpy as np
    import xarray as xr

    worst, missing, cells = 0.0, 0, 0
    for name in variables:
        a = xr.open_zarr(one, consolidated=False)[name].values
        import zarr

        b = zarr.open_group(other, mode="r")[name][:]
        both = np.isfinite(a) & np.isfinite(b)
        missing += int((np.isfinite(a) != np.isfinite(b)).sum())
        cells += a.size
        worst = max(worst, float(np.percentile(np.abs(a - b)[both], 99)))
    return f"99 % within {worst:.3g}, {missing} of {cells} cells missing in one alone"


def main():
    folder, names = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(TASKS)
    os.makedirs(folder, exist_ok=True)
    print(f"| task | who | seconds | MB |\n|---|---|---|---|")
    for name in names:
        task = TASKS[name]
        task["source"] = os.path.join(folder, task["source"])
        if name == "globe" and not os.path.isdir(task["source"]):
            # In a process of its own: what this one holds would count as memory of those that it starts.
            subprocess.run([sys.executable, os.path.abspath(__file__), "--make", task["source"]], check=True)
        targets = {who: os.path.join(folder, f"{name}-{who}.zarr") for who in ("graticule", "rasterio", "xcube")}
        commands = {"graticule": graticule(task, targets["graticule"])}
        commands["rasterio"] = peer("rasterio", sys.executable, name, targets["rasterio"])
        if os.environ.get("XCUBE_PYTHON"):
            commands["xcube"] = peer("xcube", os.environ["XCUBE_PYTHON"], name, targets["xcube"])
        os.environ["WARPS_FOLDER"] = folder
        for who, command in commands.items():
            runs = []
            try:
                for _ in range(REPETITIONS if who != "xcube" else 1):
                    shutil.rmtree(targets[who], ignore_errors=True)
                    runs.append(measured(command))
                seconds = statistics.median(run[0] for run in runs)
                print(f"| {name} | {who} | {seconds:.2f} | {max(run[1] for run in runs):.0f} |", flush=True)
            except RuntimeError as error:
                print(f"| {name} | {who} | failed: {error} | |", flush=True)
        sys.stdout.flush()
        print(f"\n{name}: {compare(targets['graticule'], targets['rasterio'], task['variables'])}\n")


if __name__ == "__main__":
    if sys.argv[1] == "--peer":
        name, task, target = sys.argv[2:]
        task = TASKS[task]
        task["source"] = os.path.join(os.environ["WARPS_FOLDER"], task["source"])
        {"rasterio": as_rasterio, "xcube": as_xcube}[name](task, target)
    elif sys.argv[1] == "--make":
        make_globe(sys.argv[2])
    else:
        main()
