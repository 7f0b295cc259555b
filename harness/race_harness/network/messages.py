"""The messages of a WebSocket, from the bytes of one direction (RFC 6455, section 5.4)."""

from collections.abc import Generator

from websockets.exceptions import WebSocketException
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.headers import parse_extension
from websockets.streams import StreamReader


class UnreadableError(Exception):
    """The bytes are no frames that we can read."""


class Messages:
    """Puts together the messages of the server, or of the client. `extensions` is the header of
    the server's handshake.

    Raises:
        UnreadableError: it names an unknown extension.
    """

    def __init__(self, extensions: str, *, of_client: bool = False) -> None:
        sender, reader = ("client", "server") if of_client else ("server", "client")
        self._extensions = _agreed(extensions, sender, reader) if extensions else []
        self._masked = of_client
        self._reader = StreamReader()
        self._frame = self._next_frame()
        self._parts: list[bytes] = []
        self._is_text = False

    def feed(self, data: bytes) -> list[tuple[str | bytes, int]]:
        """The messages that end in `data`, each with the number of bytes of `data` after it.

        Raises:
            UnreadableError: the data is something else.
        """
        try:
            return self._feed(data)
        except (WebSocketException, UnicodeDecodeError) as error:
            raise UnreadableError(str(error)) from error

    @property
    def is_whole(self) -> bool:
        """Whether the last frame is complete."""
        return not self._reader.buffer and not self._parts

    def _feed(self, data: bytes) -> list[tuple[str | bytes, int]]:
        self._reader.feed_data(data)
        found: list[tuple[str | bytes, int]] = []
        while (frame := self._whole_frame()) is not None:
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                self._is_text = frame.opcode is Opcode.TEXT
            elif frame.opcode is not Opcode.CONT:
                continue  # Pings, pongs and close frames may come between two parts.
            self._parts.append(bytes(frame.data))
            if frame.fin:
                message = b"".join(self._parts)
                self._parts.clear()
                found.append(
                    (message.decode() if self._is_text else message, len(self._reader.buffer))
                )
        return found

    def _whole_frame(self) -> Frame | None:
        try:
            next(self._frame)
        except StopIteration as whole:
            self._frame = self._next_frame()
            frame: Frame = whole.value
            return frame
        return None

    def _next_frame(self) -> Generator[None, None, Frame]:
        return Frame.parse(
            self._reader.read_exact,
            mask=self._masked,
            max_size=None,
            extensions=self._extensions,
        )


def _agreed(header: str, sender: str, reader: str) -> list[Extension]:
    """The agreed extensions of server and client: compression, or none (RFC 7692, section 7)."""
    try:
        ((name, parameters),) = parse_extension(header)
        given = dict(parameters)
        if name != "permessage-deflate":
            raise UnreadableError(f"unknown extension {name}")
        return [
            PerMessageDeflate(
                remote_no_context_takeover=f"{sender}_no_context_takeover" in given,
                local_no_context_takeover=f"{reader}_no_context_takeover" in given,
                remote_max_window_bits=int(given.get(f"{sender}_max_window_bits") or 15),
                local_max_window_bits=int(given.get(f"{reader}_max_window_bits") or 15),
            )
        ]
    except (WebSocketException, ValueError) as error:
        raise UnreadableError(f"extensions: {header}") from error
