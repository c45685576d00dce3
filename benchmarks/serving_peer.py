"""The servers that `serving.py` compares with: FastAPI's plain handlers, which call torch.nn.

With the arguments `alone FOLDER` it is ours, whose requests share no batches.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, WebSocket
from serving import FEATURES, HIDDEN
from torch import nn

torch.set_num_threads(1)
app = FastAPI()
cell = nn.LSTM(FEATURES, HIDDEN).eval()
head = nn.Linear(HIDDEN, 1)
embedding, reader, verdict = nn.Embedding(503, 100), nn.LSTM(100, HIDDEN, bidirectional=True).eval(), nn.Linear(128, 2)


@app.websocket("/stream")
async def stream(socket: WebSocket) -> None:
    """A step of the LSTM for each message."""
    await socket.accept()
    state = None
    try:
        while True:
            message = await socket.receive_json()
            with torch.inference_mode():
                y, state = cell(torch.tensor(message["step"])[None, None], state)
                await socket.send_json({"y": head(y[0, 0]).item()})
    except Exception:
        return


@app.post("/predict")
def predict(asked: dict[str, str]) -> dict[str, list[float]]:
    """A text's class."""
    ids = [int(word.removeprefix("word")) for word in asked["input"].split()]
    with torch.inference_mode():
        _, (h, _) = reader(embedding(torch.tensor(ids))[:, None])
        return {"probabilities": verdict(torch.cat([h[0], h[1]], 1)).softmax(1)[0].tolist()}


if __name__ == "__main__":
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    print(f"http://127.0.0.1:{listening.getsockname()[1]} ", flush=True)
    serves: Any = app
    if sys.argv[1:2] == ["alone"]:
        from ricorda.serve.app import application
        from ricorda.serve.settings import Settings

        serves = application(Settings({"text": sys.argv[2]}), together=False)
    config = uvicorn.Config(serves, log_level="error", ws_ping_interval=None, ws_per_message_deflate=False)
    uvicorn.Server(config).run([listening])
