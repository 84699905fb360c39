"""HTTP over TLS: the certificate is the server's, both versions are offered, and nobody is served in clear."""

import socket
import ssl
import sys

from http_door import ask

url, certificate = sys.argv[1:]
port = int(url.rsplit(":", 1)[1])
trust = ssl.create_default_context(cafile=certificate)
url = f"https://localhost:{port}"

assert ask(f"{url}/sql?format=csv", "SELECT 1 AS a", context=trust)[2] == b"a\n1\n"
for offered, expected in [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")]:
    trust.set_alpn_protocols(offered)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        with trust.wrap_socket(plain, server_hostname="localhost") as secured:
            assert secured.selected_alpn_protocol() == expected
            assert secured.version() in ("TLSv1.2", "TLSv1.3")
with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
    plain.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    try:
        while piece := plain.recv(1 << 10):
            answer += piece
    except ConnectionResetError:
        pass
    assert b"alive" not in answer, answer

# Who connects and says nothing is not waited for.
with socket.create_connection(("127.0.0.1", port), timeout=60) as silent:
    assert silent.recv(1) == b""
