"""What every heavy client is asked, and the line of JSON that is printed of it.

A client is a class with a `name`, a `version` and a method for each step that it has; a method may say something in
few words. All ask the same cube, `lake.field`, of a million cells; `make_cube.sql` says what is in it.
"""

import json
import sys
import threading
import time
import traceback

STEPS = ("connect", "browse", "parameters", "million", "cancel")

ROWS = 1_000_000
# Of the column `number`, which counts the cells.
SUM = ROWS * (ROWS - 1) // 2
COLUMNS = ["time", "lat", "lon", "temperature", "number"]
EVERYTHING = "SELECT time, lat, lon, temperature, number FROM lake.field"
# A cell: its place, as text where a client wants one, and its number.
LATITUDE, LONGITUDE, TIME, NUMBER = 10.0, 7.0, "2020-01-03", 25907
ENDLESS = "SELECT max(n) FROM generate_series(1, 1000000000000) AS t(n)"


def cancelled(run, cancel, error, after=1.0):
    """Runs what does not end, cancels it, and says how long that took."""
    begun = []

    def stop():
        begun.append(time.monotonic())
        cancel()

    timer = threading.Timer(after, stop)
    timer.start()
    try:
        run()
    except error as refusal:
        assert begun, f"it failed before: {refusal}"
        taken = time.monotonic() - begun[0]
        assert taken < 5, f"cancelled after {taken:.1f} s"
        assert "cancel" in str(refusal).lower(), refusal
        return f"{taken:.2f} s"
    raise AssertionError("it ended by itself")


def run(client):
    """Asks all that a client can do; whether it could."""
    line = {"client": client.name}
    failed = False
    for step in STEPS:
        method = getattr(client, step, None)
        if method is None:
            line[step] = "–"
            continue
        begun = time.monotonic()
        try:
            said = method()
            if step == "million":
                said = f"{time.monotonic() - begun:.1f} s"
            line[step] = said or "yes"
        except Exception:
            traceback.print_exc()
            line[step] = "FAILED"
            failed = True
    line["version"] = client.version
    print(json.dumps(line), flush=True)
    return not failed


def main(*clients):
    """Runs the clients of a script; its exit code."""
    sys.exit(int(not all([run(client(*sys.argv[1:])) for client in clients])))
