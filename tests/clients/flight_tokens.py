"""A session that began with a token of an issuer ends with it. Arguments: URL, folder of the server, which has no keys yet."""

import base64
import json
import pathlib
import subprocess
import sys
import time

import pyarrow.flight as flight

from flight_sql import fetch, info

url, folder = sys.argv[1], pathlib.Path(sys.argv[2])
LIFE = 3


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdout=subprocess.PIPE).stdout


def text(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def new_token():
    """A token that lives for some seconds, of an issuer whose key the server can read from now on."""
    openssl("genpkey", "-algorithm", "ed25519", "-out", "issuer.pem")
    public = openssl("pkey", "-in", "issuer.pem", "-pubout", "-outform", "DER")[-32:]
    key = {"kty": "OKP", "kid": "1", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": text(public)}
    (folder / "keys.json").write_text(json.dumps({"keys": [key]}))
    claims = {"iss": "https://issuer", "aud": "graticule", "sub": "carol", "roles": ["staff"], "exp": int(time.time()) + LIFE}
    parts = {"alg": "EdDSA", "kid": "1"}, claims
    signed = ".".join(text(json.dumps(part).encode()) for part in parts)
    (folder / "signed").write_text(signed)
    signature = openssl("pkeyutl", "-sign", "-rawin", "-inkey", "issuer.pem", "-in", "signed")
    return f"{signed}.{text(signature)}"


SHOW = "SHOW datafusion.execution.batch_size"


class Handshake(flight.ClientAuthHandler):
    """Takes what the server gives for the header of the call."""

    session = b""

    def authenticate(self, outgoing, incoming):
        outgoing.write(b"")
        self.session = incoming.read()

    def get_token(self):
        return b""


def bearer(secret):
    return flight.FlightCallOptions(headers=[(b"authorization", b"Bearer " + secret)])


client, handshake, token = flight.connect(url), Handshake(), new_token()
begun = time.monotonic()
client.authenticate(handshake, bearer(token.encode()))
assert handshake.session and handshake.session != token.encode()
session = bearer(handshake.session)
other = flight.connect(url)
fetch(other, "SET datafusion.execution.batch_size = 77", session)
assert fetch(other, SHOW, session)["value"].to_pylist() == ["77"]
# What has begun goes on.
endless = info(other, "SELECT value FROM generate_series(1, 1000000000)", session)
reader = other.do_get(endless.endpoints[0].ticket, session)
assert len(reader.read_chunk().data) > 0

while True:
    try:
        assert fetch(other, SHOW, session)["value"].to_pylist() == ["77"]
    except flight.FlightUnauthenticatedError:
        break
    assert time.monotonic() - begun < LIFE + 60, "the session outlives its token"
    time.sleep(0.1)
assert len(reader.read_chunk().data) > 0
reader.cancel()
# Tokens say whole seconds: it may be of use for one more.
while True:
    try:
        fetch(other, SHOW, bearer(token.encode()))
    except flight.FlightUnauthenticatedError as error:
        assert "expired" in str(error), error
        break
    assert time.monotonic() - begun < LIFE + 60, "the token is accepted still"
    time.sleep(0.1)
print("ok")
