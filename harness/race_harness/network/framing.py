"""Where the messages of HTTP/1.1 begin and end in one direction's bytes (RFC 9112, section 6).

This is the little that listening in requires. A whole parser (h11) also checks each header, which
cost a tenth of a trial's CPU time.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

HEAD_ENDS: Final = b"\r\n\r\n"
_LONGEST_HEAD: Final = 2**20
"""Bytes; servers and clients have lower limits of their own."""
_LINE: Final = b"\r\n"
_REQUEST: Final = re.compile(rb"([!-~]+) ([!-~]+) HTTP/1\.[01]\Z")
_ANSWER: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\Z)")
_FIELDS: Final = re.compile(
    rb"\r\n(content-length|transfer-encoding|upgrade|sec-websocket-extensions):[ \t]*([^\r]*)",
    re.IGNORECASE,
)
_NUMBERS: Final = {10: re.compile(rb"\d{1,18}"), 16: re.compile(rb"[0-9a-fA-F]{1,15}")}
_WITHOUT_BODY: Final = (204, 304)

Reading = Generator[None, None, None]
"""Continues with each `next()`, when there are more bytes."""


class StrangeError(Exception):
    """The bytes are no HTTP/1.1, or broke off."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a message, and the fields that say what comes after it."""

    first: bytes
    fields: dict[bytes, bytes]
    """Names in lower case."""

    @staticmethod
    def of(head: bytes) -> "Head":
        """`head` is without the empty line."""
        fields = {name.lower(): value.strip() for name, value in _FIELDS.findall(head)}
        return Head(head.partition(_LINE)[0], fields)

    def asked(self) -> tuple[str, str]:
        """Method and target of a request.

        Raises:
            StrangeError: the head is no request's.
        """
        found = _REQUEST.match(self.first)
        if found is None:
            raise StrangeError(f"no request: {self.first!r}")
        return found[1].decode(), found[2].decode()

    def status(self) -> int:
        """Status of an answer.

        Raises:
            StrangeError: the head is no answer's.
        """
        found = _ANSWER.match(self.first)
        if found is None:
            raise StrangeError(f"no answer: {self.first!r}")
        return int(found[1])

    @property
    def wants_websocket(self) -> bool:
        return self.fields.get(b"upgrade", b"").lower() == b"websocket"


class Stream:
    """The bytes of one direction that have not been read yet.

    A generator reads them, and waits for more by `yield`. It raises StrangeError if they end too
    soon.
    """

    def __init__(self) -> None:
        self.unread = bytearray()
        self.over = False
        """Whether nothing more comes."""

    def head(self) -> Generator[None, None, Head]:
        while (at := self.unread.find(HEAD_ENDS)) < 0:
            if self.over or len(self.unread) > _LONGEST_HEAD:
                raise StrangeError("a head without an end")
            yield
        head = Head.of(bytes(self.unread[:at]))
        del self.unread[: at + len(HEAD_ENDS)]
        return head

    def body_of_request(self, head: Head) -> Reading:
        """Read and drop the body of a request."""
        if b"transfer-encoding" in head.fields or b"content-length" in head.fields:
            yield from self._body(head, [])

    def body_of_answer(self, head: Head, asked: str, into: list[bytes]) -> Reading:
        """Read the body of an answer; `asked` is the method of the request."""
        if asked != "HEAD" and head.status() not in _WITHOUT_BODY:
            yield from self._body(head, into)

    def _body(self, head: Head, into: list[bytes]) -> Reading:
        if b"transfer-encoding" in head.fields:
            yield from self._chunks(into)
        elif b"content-length" in head.fields:
            yield from self._exactly(_number(head.fields[b"content-length"], 10), into)
        else:
            while not self.over:
                yield
            into.append(bytes(self.unread))
            self.unread.clear()

    def _chunks(self, into: list[bytes]) -> Reading:
        """Read a chunked body (RFC 9112, section 7.1)."""
        while size := _number((yield from self._line()).partition(b";")[0].strip(), 16):
            yield from self._exactly(size, into)
            yield from self._line()
        while (yield from self._line()):
            pass  # Trailers.

    def _exactly(self, size: int, into: list[bytes]) -> Reading:
        while len(self.unread) < size:
            if self.over:
                raise StrangeError("a body that breaks off")
            yield
        into.append(bytes(self.unread[:size]))
        del self.unread[:size]

    def _line(self) -> Generator[None, None, bytes]:
        while (at := self.unread.find(_LINE)) < 0:
            if self.over or len(self.unread) > _LONGEST_HEAD:
                raise StrangeError("a line without an end")
            yield
        line = bytes(self.unread[:at])
        del self.unread[: at + len(_LINE)]
        return line


def _number(text: bytes, base: int) -> int:
    # `int` also takes signs and underscores.
    if _NUMBERS[base].fullmatch(text) is None:
        raise StrangeError(f"no number: {text[:20]!r}")
    return int(text, base)
