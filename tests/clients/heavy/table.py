"""Lines of JSON that clients printed, as a table: `table.py FILE`."""

import json
import sys
from pathlib import Path

COLUMNS = {
    "client": "client", "version": "version", "connect": "connect", "browse": "browse",
    "parameters": "query with parameters", "million": "a million rows", "cancel": "cancel",
}  # fmt: skip

lines = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
print("| " + " | ".join(COLUMNS.values()) + " |")
print("|---" * len(COLUMNS) + "|")
for line in lines:
    print("| " + " | ".join(line[column] for column in COLUMNS) + " |")
