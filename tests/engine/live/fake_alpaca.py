"""A server on loopback that speaks as Alpaca does: answers in pages, and a stream."""

import asyncio
import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import msgpack
from websockets.asyncio.server import serve

KEY, SECRET = "PKTESTKEY0123456789", "secretsecretsecret9876543210"
PAGE = 3
"""Bars in an answer."""


def bar(when, row):
    """A bar of an answer: a UTC time and open, high, low, close, volume."""
    return {"t": f"{when:%Y-%m-%dT%H:%M:%SZ}", **dict(zip("ohlcv", row, strict=True))}


class FakeAlpaca:
    """Answers what it is given.

    Attributes:
        bars: by ticker and timeframe ("1Day", "1Min"), as `bar` makes them.
        actions: by kind.
        asked: queries of the requests for bars, in order.
        refusals: so many requests are still refused for being too many.
        status: of the answers; 200 unless a fault is played.
        connections: streams that were begun, with a good key.
        subscribed: what they asked for last.
    """

    def __init__(self):
        self.bars, self.actions = {}, {}
        self.asked, self.refusals, self.status = [], 0, 200
        self.connections, self.subscribed = 0, None
        self._sockets = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, answer = outer._answer(urlparse(self.path), self.headers)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *given):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        self.data_url = f"http://127.0.0.1:{self._http.server_port}"
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._server = self._on_loop(self._serve())
        port = self._server.sockets[0].getsockname()[1]
        self.stream_url = f"ws://127.0.0.1:{port}"

    @property
    def environment(self):
        return {
            "APCA_API_KEY_ID": KEY,
            "APCA_API_SECRET_KEY": SECRET,
            "APCA_API_DATA_URL": self.data_url,
            "APCA_API_STREAM_URL": self.stream_url,
        }

    def _on_loop(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    # Requests

    def _answer(self, url, headers):
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self.status != 200:
            return self.status, {"message": "out of order"}
        if (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) != (KEY, SECRET):
            return 403, {"message": "forbidden"}
        if self.refusals:
            self.refusals -= 1
            return 429, {"message": "too many requests"}
        if url.path == "/v1/corporate-actions":
            return 200, {"corporate_actions": self.actions, "next_page_token": None}
        assert url.path == "/v2/stocks/bars"
        assert query["adjustment"] == "raw"
        assert query["feed"] == "iex"
        self.asked.append(query)
        ticker = query["symbols"]
        first, last = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        found = [
            each
            for each in self.bars.get((ticker, query["timeframe"]), [])
            if first <= datetime.fromisoformat(each["t"]) < last
        ]
        begin = int(query.get("page_token", 0))
        more = begin + PAGE < len(found)
        return 200, {
            "bars": {ticker: found[begin : begin + PAGE]},
            "next_page_token": str(begin + PAGE) if more else None,
        }

    # Stream

    async def _serve(self):
        return await serve(self._talk, "127.0.0.1", 0)

    async def _talk(self, socket):
        async def say(**message):
            await socket.send(msgpack.packb([message]))

        await say(T="success", msg="connected")
        given = msgpack.unpackb(await socket.recv())
        if (given["key"], given["secret"]) != (KEY, SECRET):
            await say(T="error", code=402, msg="auth failed")
            return
        await say(T="success", msg="authenticated")
        async for message in socket:
            self.subscribed = msgpack.unpackb(message)
            await say(T="subscription", bars=self.subscribed.get("bars", []))
            self._sockets.add(socket)
            self.connections += 1

    def push(self, ticker, when, row, kind="b"):
        """Stream a minute."""
        message = {
            "T": kind,
            "S": ticker,
            "t": msgpack.Timestamp.from_datetime(when.replace(tzinfo=UTC)),
            **dict(zip("ohlcv", row, strict=True)),
        }

        async def send():
            for socket in self._sockets:
                await socket.send(msgpack.packb([message], datetime=True))

        self._on_loop(send())

    def drop(self):
        """Cut all streams."""

        async def cut():
            for socket in self._sockets:
                socket.transport.abort()
            self._sockets.clear()

        self._on_loop(cut())

    def close(self):
        async def end():
            self._server.close()
            await self._server.wait_closed()

        self._on_loop(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._http.shutdown()
        self._http.server_close()
