"""Reports and pictures of a browser's own comparisons, by addresses that name no path."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response

from ricorda.page.settings import Settings, folder_of
from ricorda.page.trainings.store import COMPARISONS

REPORT, PNG, NUMBERS = "report.html", "comparison.png", "comparison.json"
"""What `ricorda compare` writes."""

_NAME = r"[a-z]+-[0-9a-f]{8}"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""A report fetches nothing and runs nothing; were there a script in one, it would not run either."""


def serve(app: FastAPI, settings: Settings) -> None:
    """Add the addresses `/compare/of/NAME/report`, `.../svg` and `.../png`."""

    @app.get("/compare/of/{name}/{kind}")
    def send(request: Request, name: str, kind: str) -> Response:
        own = folder_of(settings, request.scope["ricorda.browser"]) / COMPARISONS
        file = own / name / {"report": REPORT, "svg": REPORT, "png": PNG}.get(kind, "")
        if not re.fullmatch(_NAME, name) or not file.is_file():
            return PlainTextResponse("There is no such comparison in this browser's folder.\n", 404)
        if kind == "svg":
            return Response(picture_in(file), media_type="image/svg+xml", headers=_HEADERS)
        return FileResponse(file, headers=_HEADERS)


def picture_in(report: Path) -> str:
    """The picture of a report."""
    text = report.read_text("utf-8")
    return text[text.index("<svg") : text.index("</svg>") + len("</svg>")]
