"""Tokens and API keys in the place of a password: `postgres_tokens.py prepare FOLDER` makes an issuer's key and tokens,
`postgres_tokens.py check URL FOLDER [CERTIFICATE]` shows them."""

import base64
import json
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import sys
import time

import psycopg

ISSUER = "https://login.example.org"
KEY = "graticule_0123456789abcdef"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout


def token(key, **claims):
    claims = {"iss": ISSUER, "aud": "graticule", "exp": int(time.time()) + 86400, "sub": "tia", "roles": ["staff"], **claims}
    header = {"alg": "RS256", "typ": "JWT", "kid": "first"}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{encoded(openssl('dgst', '-sha256', '-sign', str(key), data=signed.encode()))}"


def prepare(folder):
    folder = pathlib.Path(folder)
    for name in ("issuer.pem", "other.pem"):
        openssl("genrsa", "-out", str(folder / name), "2048")
    modulus = openssl("rsa", "-in", str(folder / "issuer.pem"), "-noout", "-modulus").decode().strip().split("=")[1]
    key = {"kty": "RSA", "kid": "first", "alg": "RS256", "use": "sig", "e": "AQAB", "n": encoded(bytes.fromhex(modulus))}
    (folder / "keys.json").write_text(json.dumps({"keys": [key]}))
    tokens = {
        "good": token(folder / "issuer.pem"),
        "expired": token(folder / "issuer.pem", exp=int(time.time()) - 86400),
        "forged": token(folder / "other.pem"),
        "local": token(folder / "issuer.pem", sub="ada"),
    }
    (folder / "tokens.json").write_text(json.dumps(tokens))
    print("made")


class Raw:
    """A connection without a driver."""

    def __init__(self, host, port, certificate, user):
        stream = socket.create_connection((host, port), timeout=60)
        if certificate:
            stream.sendall(struct.pack("!ii", 8, 80877103))
            assert stream.recv(1) == b"S"
            context = ssl.create_default_context(cafile=certificate)
            stream = context.wrap_socket(stream, server_hostname="127.0.0.1")
        self.stream = stream
        body = struct.pack("!i", 196608) + f"user\0{user}\0\0".encode()
        stream.sendall(struct.pack("!i", len(body) + 4) + body)

    def exactly(self, length):
        data = b""
        while len(data) < length:
            piece = self.stream.recv(length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def message(self):
        kind, length = struct.unpack("!ci", self.exactly(5))
        return kind, self.exactly(length - 4)

    def password(self, body):
        self.stream.sendall(b"p" + struct.pack("!i", len(body) + 4) + body)

    def first(self, mechanism, text):
        text = text.encode()
        self.password(mechanism.encode() + b"\0" + struct.pack("!i", len(text)) + text)


def exchange(address, user, text):
    """What OAUTHBEARER comes to: who the client is, or the server's challenge and error."""
    raw = Raw(*address, user)
    kind, body = raw.message()
    assert kind == b"R" and body[:4] == b"\0\0\0\x0a", body
    assert body[4:].split(b"\0")[:2] == [b"SCRAM-SHA-256", b"OAUTHBEARER"], body
    raw.first("OAUTHBEARER", text)
    kind, body = raw.message()
    if (kind, body) == (b"R", bytes(4)):
        while kind != b"Z":
            kind, body = raw.message()
        statement = b"SELECT current_user\0"
        raw.stream.sendall(b"Q" + struct.pack("!i", len(statement) + 4) + statement)
        while kind != b"D":
            kind, body = raw.message()
        return body[6:].decode()
    challenge = None
    if kind == b"R":
        assert body[:4] == b"\0\0\0\x0b", body
        challenge = json.loads(body[4:])
        raw.password(b"\x01")
        kind, body = raw.message()
    assert kind == b"E", (kind, body)
    return challenge, body.decode()


def check(url, folder, certificate=None):
    tokens = json.loads((pathlib.Path(folder) / "tokens.json").read_text())
    host, port = re.match(r"postgresql://([^:/]+):(\d+)", url).groups()
    address = (host, int(port), certificate)
    encrypted = {"sslmode": "verify-full", "sslrootcert": certificate} if certificate else {"sslmode": "disable"}

    def login(user, password):
        with psycopg.connect(url, user=user, password=password, **encrypted) as connection:
            return connection.execute("SELECT current_user").fetchone()[0]

    def refused(user, password, part):
        try:
            login(user, password)
        except psycopg.OperationalError as error:
            assert part in str(error), str(error)
            return
        raise AssertionError(f"{user} came in")

    assert login("token", tokens["good"]) == "tia"
    assert login("token", KEY) == "ada"
    assert login("ada", "pencil") == "ada"
    refused("token", "graticule_wrong", "no such API key")
    refused("token", tokens["expired"], "expired")
    refused("token", tokens["forged"], "not signed by its issuer")
    refused("token", tokens["local"], "the name of a user of this server")
    refused("token", "pencil", "no such API key")
    # Where a password is asked for, a token is none.
    refused("ada", tokens["good"], "password authentication failed")
    refused("tia", tokens["good"], "password authentication failed")
    bearer = lambda name: f"n,,\x01auth=Bearer {tokens[name]}\x01\x01"
    assert exchange(address, "tia", bearer("good")) == "tia"
    assert exchange(address, "ada", f"n,a=ada,\x01host=h\x01auth=bearer {KEY}\x01\x01") == "ada"
    for user, text, part in (
        ("tia", bearer("expired"), "expired"),
        ("tia", bearer("forged"), "not signed"),
        ("ada", bearer("local"), "the name of a user of this server"),
        ("ada", bearer("good"), 'not that of the user "ada"'),
        ("tia", "n,,\x01auth=\x01\x01", "no such API key"),
        ("tia", f"n,a=ada,\x01auth=Bearer {tokens['good']}\x01\x01", "not that of"),
    ):
        challenge, error = exchange(address, user, text)
        assert challenge["status"] == "invalid_token", challenge
        assert challenge["openid-configuration"] == f"{ISSUER}/.well-known/openid-configuration", challenge
        assert "FATAL" in error and part in error and "eyJ" not in error, error
    for text in ("", "n,,", "p=tls-unique,,\x01auth=Bearer x\x01\x01", "n,,\x01auth=Basic x\x01\x01"):
        challenge, error = exchange(address, "tia", text)
        assert challenge is None and "08P01" in error, error
    raw = Raw(*address, "tia")
    raw.message()
    raw.first("PLAIN", "x")
    kind, body = raw.message()
    assert kind == b"E" and b"not offered" in body, body
    print("tokens: as passwords, and by OAUTHBEARER")


{"prepare": prepare, "check": check}[sys.argv[1]](*sys.argv[2:])
