"""What a file is by its first bytes, whatever its name says.

Nothing of voiceswap is imported here, so that `decoder_process` starts within a fifth of a second.
"""

from __future__ import annotations

from voiceswap.audio.mpeg_frames import find_first_frame, id3_bytes

# Enough for the head of any format, and for a few frames of MPEG audio after something else.
HEAD_BYTES = 1 << 16
W64_GUID = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
EBML = b"\x1a\x45\xdf\xa3"
BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"})
# What only FFmpeg reads.
CONTAINER_KINDS = frozenset({"mov", "matroska", "aac"})


def sniff(head: bytes) -> str:
    """The kind of a file: "wav", "aiff", "w64", "caf", "au", "ogg", "flac", "mpeg", "mov", "matroska", "aac", or "".

    Args:
        head: Its first bytes, of which `HEAD_BYTES` are enough. Tags in front of the sound are passed over.

    Returns:
        "" for what is none of these.
    """
    start = skip_id3(head)
    head = head[start:]
    if head[:4] in (b"RIFF", b"RF64", b"BW64", b"RIFX") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    signs = ((W64_GUID, "w64"), (b"caff", "caf"), (b".snd", "au"), (b"OggS", "ogg"), (b"fLaC", "flac"))
    for sign, kind in (*signs, (EBML, "matroska"), (b"ADIF", "aac")):
        if head.startswith(sign):
            return kind
    if head[4:8] in BOXES:
        return "mov"
    # Twelve ones; then the layer, which is 0 for AAC.
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    return "mpeg" if find_first_frame(head, 0, len(head)) is not None else ""


def skip_id3(head: bytes) -> int:
    """Where what follows the ID3v2 tags in front of it begins; 0 if there are none."""
    start = 0
    while head[start : start + 3] == b"ID3" and len(head) >= start + 10:
        start += id3_bytes(head[start : start + 10])
    return start
