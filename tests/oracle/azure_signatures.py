"""Shared access signatures for the account of tests/src/stores/azure_server.rs, made as Azure's documentation
of the account SAS says: an HMAC over the fields, one a line."""

import base64
import hashlib
import hmac
import json
import pathlib
import sys
from urllib.parse import urlencode

ACCOUNT, KEY = "tester", b"tester-secret"
VERSION = "2020-08-04"


def token(permissions, end, key=KEY):
    fields = {"sv": VERSION, "ss": "b", "srt": "sco", "sp": permissions, "se": end}
    start, address, protocol = "", "", ""
    lines = [ACCOUNT, permissions, "b", "sco", start, end, address, protocol, VERSION, ""]
    signature = hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()
    return urlencode({**fields, "sig": base64.b64encode(signature).decode()})


far = "2100-01-01T00:00:00Z"
tokens = {
    "all": token("rwlc", far),
    "read": token("rl", far),
    "write": token("w", far),
    "expired": token("rl", "2020-01-01T00:00:00Z"),
    "forged": token("rl", far, key=b"s3cr3t"),
}
(pathlib.Path(sys.argv[1]) / "tokens.json").write_text(json.dumps(tokens))
