"""`ricorda serve`: models for other programs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ricorda.errors import ArgumentError

NEEDS = ("fastapi", "uvicorn", "websockets", "httptools", "prometheus_client")


def serve(
    models: Annotated[list[str], typer.Argument(help="Model folders; NAME=FOLDER gives one another name.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 is a free one.", min=0, max=65535)] = 8000,
    token_file: Annotated[
        Path | None, typer.Option(help="A file of tokens, one a line; requests bring one.", show_default="none")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes.", min=1, max=256)] = 1,
    max_sessions: Annotated[int, typer.Option(help="Streams and sequences at the same time.", min=1)] = 10_000,
    idle: Annotated[float, typer.Option(help="Seconds after which an unused session ends.", min=0.1)] = 600.0,
    watch: Annotated[bool, typer.Option("--watch", help="Take up models that are replaced on disk.")] = False,
) -> None:
    """Serve models to other programs: predictions, streams of steps, and the Open Inference Protocol.

    It listens to this machine alone unless --host says otherwise; http://127.0.0.1:8000/ lists its addresses. Ctrl-C
    and SIGTERM end it when what has begun is answered.

    For example:

      ricorda serve model

      ricorda serve reviews=model tags=tagger --token-file tokens.txt --host 0.0.0.0 --workers 2
    """
    for package in NEEDS:
        if find_spec(package) is None:
            raise ArgumentError(f"the package {package} is missing: install it with `pip install 'ricorda[serve]'`")
    from ricorda.serve.server import run
    from ricorda.serve.settings import Settings, named, read_tokens

    tokens = () if token_file is None else read_tokens(token_file)
    run(Settings(named(models), host, port, tokens, workers, max_sessions, idle, watch))
