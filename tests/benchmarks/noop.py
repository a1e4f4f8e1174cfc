"""What is compared with: FastAPI's own cost. A route that reads the body and ignores it, served as ours is."""

from __future__ import annotations

import socket
import sys

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

PATH = "/noop"

app = FastAPI(
    telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False}  # as in the service
)


@app.post(PATH)
async def ignore(request: Request) -> Response:
    await request.body()
    return Response(b'{"status":"Success","Message":{"Success":true}}', media_type="application/json")


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    sys.stdout.write(f"Listening on http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", ws="none", log_config=None, access_log=False, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listening])
