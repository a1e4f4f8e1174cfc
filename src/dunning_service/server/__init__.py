"""The HTTP server of a process: its protocol over uvicorn, and the limit of its connections."""
