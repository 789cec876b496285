"""Records what the service SDK sends and gets over HTTPS.

Where LINARITE_EXCHANGES names a file, each exchange is added to it as a line;
test/contract holds it against the Swagger afterwards.
"""

import json
import os

import requests.adapters


def text(body):
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""


def record(file):
    """Has every exchange noted from now on, without taking anything from it."""
    send = requests.adapters.HTTPAdapter.send

    def noting(self, request, *args, **kwargs):
        response = send(self, request, *args, **kwargs)
        exchange = {
            "method": request.method,
            "target": request.path_url,
            "request": {
                "header": {k: text(v) for k, v in request.headers.items() if k.lower() != "authorization"},
                "body": text(request.body),
            },
            "status": response.status_code,
            "response": {"header": dict(response.headers), "body": text(response.content)},
        }
        with open(file, "a", encoding="utf-8") as recording:
            recording.write(json.dumps(exchange) + "\n")
        return response

    requests.adapters.HTTPAdapter.send = noting


if os.environ.get("LINARITE_EXCHANGES"):
    record(os.environ["LINARITE_EXCHANGES"])
