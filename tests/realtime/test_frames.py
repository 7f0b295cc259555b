"""Frames end where they end, however the stream of bytes is cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from race_harness.realtime.frames import FrameEnds

HANDSHAKE = b"GET / HTTP/1.1\r\nupgrade: websocket\r\n\r\n"


def frame(payload: bytes, *, masked: bool, opcode: int = 1) -> bytes:
    """RFC 6455, section 5.2, built by hand: the shortest form of the length."""
    size, mask = len(payload), 0x80 if masked else 0
    if size < 126:
        head = bytes([0x80 | opcode, mask | size])
    elif size < 1 << 16:
        head = bytes([0x80 | opcode, mask | 126]) + size.to_bytes(2)
    else:
        head = bytes([0x80 | opcode, mask | 127]) + size.to_bytes(8)
    return head + (b"mask" if masked else b"") + payload


def ends_of(pieces: list[bytes]) -> list[int]:
    """Ends as positions in the whole stream."""
    ends, fed, found = FrameEnds(), 0, []
    for piece in pieces:
        here = ends.feed(piece)
        found += [fed + end for end in here]
        fed += len(piece)
        if piece:
            assert ends.at_end == (fed in found)
    return found


SIZES = st.sampled_from([0, 1, 2, 3, 4, 125, 126, 127, 300, 65_535, 65_536, 70_000])
FRAMES = st.builds(
    lambda size, masked, byte: frame(bytes([byte]) * size, masked=masked),
    SIZES,
    st.booleans(),
    # Payloads that look like headers, and like the end of a head.
    st.sampled_from([0x00, 0x81, 0xFE, 0xFF, 0x0D]),
)


@given(st.lists(FRAMES, max_size=5), st.data())
def test_any_cut_of_the_stream_gives_the_same_ends(frames, data):
    stream = HANDSHAKE + b"".join(frames)
    wanted, at = [len(HANDSHAKE)], len(HANDSHAKE)
    for one in frames:
        at += len(one)
        wanted.append(at)
    near = [min(max(end + shift, 0), len(stream)) for end in wanted for shift in range(-16, 17)]
    cuts = data.draw(st.lists(st.integers(0, len(stream)) | st.sampled_from(near), max_size=12))
    edges = [0, *sorted(cuts), len(stream)]
    assert ends_of([stream[a:b] for a, b in pairwise(edges)]) == wanted


def test_byte_by_byte():
    stream = HANDSHAKE + frame(b"abc", masked=True) + frame(b"", masked=False)
    stream += frame(b"x" * 200, masked=True)
    whole = ends_of([stream])
    assert len(whole) == 4
    assert ends_of([bytes([byte]) for byte in stream]) == whole


def test_before_the_handshake_is_over_nothing_has_ended():
    ends = FrameEnds()
    assert ends.feed(HANDSHAKE[:-1]) == []
    assert not ends.at_end
    assert ends.feed(HANDSHAKE[-1:]) == [1]
    assert ends.at_end


def test_within_a_frame_nothing_has_ended():
    ends = FrameEnds()
    ends.feed(HANDSHAKE)
    whole = frame(b"hello", masked=False)
    assert ends.feed(whole[:-1]) == []
    assert not ends.at_end
    assert ends.feed(whole[-1:] + whole[:3]) == [1]
    assert not ends.at_end
