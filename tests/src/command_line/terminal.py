"""Types into a program on a pseudo-terminal and waits for its answers.

    terminal.py COLUMNS PROGRAM ARGUMENTS... < steps.json

Steps are a list of [what to type, regular expression of what must then appear]. Prints all that was
on the screen, without the sequences that move the cursor or set colours. Fails if an answer does not
come, or if the program does not end with success after the last step.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PATIENCE = 30.0
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r")


def main() -> None:
    columns, command = int(sys.argv[1]), sys.argv[2:]
    steps = json.load(sys.stdin)
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm"
        os.execv(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    screen = wait_for(terminal, "graticule> ", "")
    for send, expect in steps:
        os.write(terminal, send.encode())
        screen += wait_for(terminal, expect, screen) if expect else ""
    screen += rest(terminal)
    _, status = os.waitpid(child, 0)
    print(screen)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"the program ended with {os.waitstatus_to_exitcode(status)}")


def wait_for(terminal: int, expect: str, before: str) -> str:
    """What appears until `expect` does."""
    raw, end = b"", time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            raw += read(terminal)
        seen = CONTROL.sub("", raw.decode(errors="replace"))
        if re.search(expect, seen):
            return seen
    sys.exit(f"no {expect!r} after {before}\n---\n{seen}")


def rest(terminal: int) -> str:
    """What appears until the program ends."""
    raw, end = b"", time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            chunk = read(terminal)
            if not chunk:
                return CONTROL.sub("", raw.decode(errors="replace"))
            raw += chunk
    sys.exit(f"the program does not end:\n{raw!r}")


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux reports the end of a pseudo-terminal so.
        return b""


main()
