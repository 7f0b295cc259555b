"""The socket as a doorbell: a frame only says that there may be news.

Frames have no numbers. So they do not show what is missing between two of them, nor their place in
the log: a frame of a status may overtake others, and nothing says what was sent while there was no
socket. The log shows all that (see `events.py`), so the client does not even read a frame.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable

import websockets

FATAL = frozenset({4001, 4004})
"""Close codes after which connecting again is useless: no valid key, no such conversation."""
FIRST_DELAY_S, LAST_DELAY_S = 0.1, 2.0
"""Seconds before connecting again, doubled from one failure to the next."""


class Doorbell:
    """Calls `ring` for each frame, on a separate thread, and connects again until closed.

    The server greets every new subscriber with a snapshot, so connecting again rings too.
    """

    keep_alive_s = 20.0
    """Seconds between two pings, and how long a pong may take (RFC 6455, section 5.5.2)."""

    def __init__(self, url: str, ring: Callable[[str], None]) -> None:
        self._url = url
        self._ring = ring
        self._answered = threading.Event()
        self.greetings = 0
        """How many connections have brought a frame so far."""
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
        self._thread.start()

    def wait_for_greeting(self, timeout_s: float) -> bool:
        """Wait for the first frame; return whether it has come."""
        return self._answered.wait(timeout_s)

    def close(self) -> None:
        self._closed = True
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # It has ended by itself.
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(2)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._keep_listening())

    async def _keep_listening(self) -> None:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        delay_s = FIRST_DELAY_S
        while not self._closed:
            greeted, code = await self._listen()
            if not self._connects_again(code):
                return
            if greeted:
                delay_s = FIRST_DELAY_S
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, LAST_DELAY_S)

    def _connects_again(self, code: int | None) -> bool:
        """Whether to connect again after a connection with this close code; None: no
        connection."""
        return code not in FATAL

    async def _listen(self) -> tuple[bool, int | None]:
        """Listen on one connection; return whether any frame came, and the close code."""
        greeted, socket = False, None
        failures = (OSError, TimeoutError, EOFError, websockets.WebSocketException)
        with contextlib.suppress(*failures):
            # A full state may have any size.
            async with websockets.connect(
                self._url,
                proxy=None,
                max_size=None,
                close_timeout=1,
                ping_interval=self.keep_alive_s,
                ping_timeout=self.keep_alive_s,
            ) as socket:
                async for frame in socket:
                    text = frame if isinstance(frame, str) else frame.decode()
                    if greeted:
                        self._ring(text)
                    else:
                        greeted = True
                        self.greetings += 1
                        self._greeted(text, again=self._answered.is_set())
                        self._answered.set()
        return greeted, socket.close_code if socket is not None else None

    def _greeted(self, frame: str, *, again: bool) -> None:
        """Called with the first frame of a connection; `again`: it is not the first connection."""
        self._ring(frame)
