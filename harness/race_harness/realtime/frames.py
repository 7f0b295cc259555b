"""Where the frames of a WebSocket end in its stream of bytes."""

from typing import Final

_HEAD_ENDS: Final = b"\r\n\r\n"


class FrameEnds:
    """Follows one direction of a connection from its first byte on.

    It sees the opening handshake, an HTTP head without a body (RFC 6455, section 4), and then
    frames (section 5.2), whose contents it ignores.
    """

    def __init__(self) -> None:
        self.at_end = False
        """Whether the bytes so far stop at the end of the handshake or of a frame."""
        self._handshake: bytes | None = b""
        """The last bytes of an unfinished handshake."""
        self._header = b""
        """The bytes of an unfinished header."""
        self._payload = 0
        """How many bytes of the payload are still to come."""

    def feed(self, data: bytes) -> list[int]:
        """Where in `data` the handshake or a frame ends: positions just after the last byte."""
        ends: list[int] = []
        position = 0
        while position < len(data):
            self.at_end = False
            if self._handshake is not None:
                position = self._through_handshake(data)
            else:
                position = self._through_frame(data, position)
            if self.at_end:
                ends.append(position)
        return ends

    def _through_handshake(self, data: bytes) -> int:
        before = self._handshake or b""
        seen = before + data
        found = seen.find(_HEAD_ENDS)
        if found < 0:
            self._handshake = seen[1 - len(_HEAD_ENDS) :]
            return len(data)
        self._handshake = None
        self.at_end = True
        return found + len(_HEAD_ENDS) - len(before)

    def _through_frame(self, data: bytes, position: int) -> int:
        if not self._payload:
            missing = _header_size(self._header) - len(self._header)
            self._header += data[position : position + missing]
            position += missing
            if len(self._header) < _header_size(self._header):
                return min(position, len(data))
            self._payload = _payload_size(self._header)
            self._header = b""
        step = min(self._payload, len(data) - position)
        self._payload -= step
        self.at_end = not self._payload
        return position + step


def _header_size(header: bytes) -> int:
    """The size of a header, as far as its first bytes show."""
    if len(header) < 2:
        return 2
    extended = {126: 2, 127: 8}.get(header[1] & 0x7F, 0)
    mask = 4 if header[1] & 0x80 else 0
    return 2 + extended + mask


def _payload_size(header: bytes) -> int:
    size = header[1] & 0x7F
    if size == 126:
        return int.from_bytes(header[2:4])
    if size == 127:
        return int.from_bytes(header[2:10])
    return size
