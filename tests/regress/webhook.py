"""A receiver of webhooks that checks signatures as the specification of Standard Webhooks says: webhook.py PORT SECRET_FILE."""

import base64
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

port, secret_file = int(sys.argv[1]), sys.argv[2]
with open(secret_file, "rb") as file:
    key = file.read().strip()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        ident, stamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = b".".join([ident.encode(), stamp.encode(), body])
        expect = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        good = hmac.compare_digest(expect, self.headers["webhook-signature"]) and abs(time.time() - int(stamp)) < 300
        print("delivered", json.loads(body)["event"], "signature", "good" if good else "BAD", flush=True)
        self.send_response(204 if good else 400)
        self.end_headers()

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", port), Receiver).serve_forever()
