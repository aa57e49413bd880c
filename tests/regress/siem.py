"""Receivers of records, which store before they confirm: siem.py syslog PORT OUT CERT KEY, or siem.py otlp PORT OUT."""

import json
import os
import socket
import ssl
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

kind, port, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
store = open(out, "ab")


def keep(lines):
    store.write(b"".join(line + b"\n" for line in lines))
    store.flush()
    os.fsync(store.fileno())


def frames(data):
    """RFC 5425: a length in decimal, a space, a message. RFC 5424: seven words, then the message."""
    while data:
        length, _, data = data.partition(b" ")
        message, data = data[: int(length)], data[int(length) :]
        assert len(message) == int(length), "a frame is cut short"
        words = message.split(b" ", 7)
        assert words[0].endswith(b">1") and words[3] == b"sallyport" and words[6] == b"-", words[:7]
        yield words[7]


def syslog():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    with socket.create_server(("127.0.0.1", port)) as server:
        print("ready", flush=True)
        while True:
            raw, _ = server.accept()
            try:
                raw.settimeout(20)
                with context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False) as stream:
                    data = b""
                    while piece := stream.recv(65536):
                        data += piece
                    keep(list(frames(data)))
                    stream.unwrap()
            except OSError as error:
                print("a connection came to nothing:", error, flush=True)


class Otlp(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        good = self.path == "/v1/logs" and self.headers["authorization"] == "Bearer a-token-of-a-test"
        if good:
            for resource in body["resourceLogs"]:
                for scope in resource["scopeLogs"]:
                    keep([record["body"]["stringValue"].encode() for record in scope["logRecords"]])
        self.send_response(200 if good else 401)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


if kind == "syslog":
    syslog()
else:
    receiver = HTTPServer(("127.0.0.1", port), Otlp)
    print("ready", flush=True)
    receiver.serve_forever()
