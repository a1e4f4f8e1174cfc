"""What is compared with: FastAPI's own cost. The smallest route that one can write with it, on the same server."""

from __future__ import annotations

import socket
import sys

import uvicorn
from fastapi import FastAPI

PATH = "/noop"

app = FastAPI()


@app.post(PATH)
async def do_nothing() -> dict[str, str]:
    return {"status": "Success"}


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    sys.stdout.write(f"Listening on http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", ws="none", log_config=None, access_log=False, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listening])
