"""What a job of GitHub Actions finds at ACTIONS_ID_TOKEN_REQUEST_URL: answers one request with a token of the issuer.

Arguments: port, bearer secret. The token itself comes from `id_token` of lib.sh.
"""
import http.server
import json
import os
import subprocess
import sys
import urllib.parse

PORT, SECRET = int(sys.argv[1]), sys.argv[2]
HERE = os.path.dirname(os.path.abspath(__file__))
MINT = f'. {HERE}/lib.sh; id_token "$PIPELINES" build "$1" "$(openssl rand -hex 8)"'


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        # The scheme's case does not matter (RFC 9110 section 11.1).
        scheme, _, secret = self.headers.get("Authorization", "").partition(" ")
        if (scheme.lower(), secret) != ("bearer", SECRET):
            self.send_error(401)
            return
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        minted = subprocess.run(["bash", "-c", MINT, "_", query["audience"][0]], capture_output=True, text=True, check=True)
        body = json.dumps({"value": minted.stdout.strip()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
