"""A timestamping authority over HTTP, with `openssl ts -reply` behind it: tsa.py PORT FOLDER, which holds tsa.pem, tsa.key and tsa.cnf."""

import os
import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, HTTPServer

port, folder = int(sys.argv[1]), sys.argv[2]


class Authority(BaseHTTPRequestHandler):
    def do_POST(self):
        query = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["content-type"] == "application/timestamp-query"
        with tempfile.TemporaryDirectory() as scratch:
            asked = os.path.join(scratch, "asked.tsq")
            with open(asked, "wb") as file:
                file.write(query)
            command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile", asked]
            reply = subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout
        print("stamped", len(reply), flush=True)
        self.send_response(200)
        self.send_header("content-type", "application/timestamp-reply")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", port), Authority).serve_forever()
