"""What the scripts that speak to the HTTP door share: requests with the standard library, and patience."""

import json
import re
import time
import urllib.error
import urllib.request

PATIENCE = 120


def ask(url, body=None, method=None, context=None, **headers):
    """The status, the headers and the body of a response, whatever its status is."""
    data = body.encode() if isinstance(body, str) else body
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if data is not None:
        headers.setdefault("Content-Type", "application/sql")
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def post(url, **fields):
    """The same for a request of JSON."""
    return ask(f"{url}/sql?format=json", json.dumps(fields), Content_Type="application/json")


def problem(answer, status):
    """The problem of a response that must have this status."""
    found, headers, body = answer
    assert found == status, (found, body)
    assert headers["Content-Type"] == "application/problem+json", headers
    told = json.loads(body)
    assert told["status"] == status and told["title"] and told["type"] == "about:blank", told
    return told


def metric(url, name, **labels):
    """The value of a metric, 0 where it has not been counted."""
    _, _, text = ask(f"{url}/metrics")
    wanted = ",".join(f'{label}="{value}"' for label, value in labels.items())
    wanted = f"{name}{{{wanted}}}" if wanted else name
    found = re.search(rf"^{re.escape(wanted)} (\S+)$", text.decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def until(condition, what):
    """Waits until something is so."""
    begun = time.monotonic()
    while not (found := condition()):
        assert time.monotonic() - begun < PATIENCE, f"it did not happen: {what}"
        time.sleep(0.02)
    return found
