"""Recordings that are cut, lie, or were mutated; and every kind that can be read or written (R11, R12, R14-R20)."""

import itertools
import os
import random
import re
import struct
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import soundfile

import conftest
import voiceswap
from conftest import peak_kb, save
from voiceswap.audio import decoder_process as child
from voiceswap.audio.read import AudioInfo, probe, read_blocks, read_mono
from voiceswap.audio.resample import resample
from voiceswap.audio.write import Writer
from voiceswap.config import FeatureConfig
from voiceswap.errors import AudioError, VoiceswapError
from voiceswap.signal import synthetic
from voiceswap.signal.f0 import estimate_f0

RATE = 48_000
SOUND = np.random.default_rng(0).normal(0, 0.1, (3 * RATE, 1)).astype(np.float32)
CONTAINERS = {"m4a": "aac", "mp4": "aac", "webm": "libopus"}


def encoded(path, samples, rate=RATE):
    """Samples (n, n_channels) in the kind of file that the ending says."""
    kind = path.suffix[1:]
    if kind in CONTAINERS:
        import av

        with av.open(str(path), "w") as container:
            layout = "mono" if samples.shape[1] == 1 else "stereo"
            stream = container.add_stream(CONTAINERS[kind], rate=rate, layout=layout)
            frame = av.AudioFrame.from_ndarray(samples.T.copy(), format="fltp", layout=layout)
            frame.rate = rate
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
        return path
    subtype = {"opus": "OPUS", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}.get(kind, "PCM_16")
    formats = {"opus": "OGG", "rf64": "RF64", "au": "AU", "caf": "CAF"}
    write(path, samples, rate, formats.get(kind, kind.upper()), subtype)
    return path


def write(path, samples, rate, format_name, subtype):
    with soundfile.SoundFile(path, "w", rate, samples.shape[1], subtype, format=format_name) as file:
        for first in range(0, len(samples), 8192):
            file.write(samples[first : first + 8192])


def n_read(path, damage=None):
    return sum(len(block) for block in read_blocks(path, damaged=None if damage is None else damage.append))


# R11


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    kinds = ("wav", "flac", "mp3", "ogg", "opus", "m4a", "mp4", "webm", "aiff", "w64", "au", "caf", "rf64")
    return {kind: encoded(folder / f"x.{kind}", SOUND) for kind in kinds}


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.75, 0.99])
def test_r11_a_cut_recording_is_read_up_to_the_cut_with_the_seconds_lost_or_refused(share, whole, tmp_path):
    outcomes = {}
    for kind, path in whole.items():
        cut = tmp_path / path.name
        data = path.read_bytes()
        cut.write_bytes(data[: int(share * len(data))])
        with pytest.raises(AudioError) as caught:
            n_read(cut)
        assert caught.value.exit_code == 3
        damage = []
        try:
            n = n_read(cut, damage)
        except AudioError:
            outcomes[kind] = "refused"
            continue
        assert len(damage) == 1, kind
        lost_s = float(damage[0].split("; ")[-1].split(" s are lost")[0])
        assert n / RATE + lost_s == pytest.approx(3.0, abs=0.15), kind
        outcomes[kind] = "read"
    if 0.25 <= share <= 0.75:
        assert {kind for kind, outcome in outcomes.items() if outcome == "read"} >= {"wav", "flac", "mp3", "aiff"}


def test_r11_whole_recordings_are_not_called_damaged(whole):
    for kind, path in whole.items():
        assert n_read(path) >= len(SOUND), kind


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000])
def test_r11_a_wav_whose_writer_did_not_know_its_length_is_whole(size, whole, tmp_path):
    data = bytearray(whole["wav"].read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", size)
    (tmp_path / "piped.wav").write_bytes(data)
    assert n_read(tmp_path / "piped.wav") == len(SOUND)


def test_r11_an_aac_stream_claims_no_length(tmp_path):
    samples = np.concatenate([np.zeros((2 * RATE, 1), np.float32), SOUND])
    path = conftest.encoded(tmp_path / "x.aac", samples, "aac", RATE)
    assert n_read(path) >= len(samples)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AudioError, match="how much is lost cannot be told"):
        n_read(path, [])


def test_r11_convert_warns_and_strict_refuses(voice, home):
    spoken = synthetic.speech(synthetic.BORIS, 2.0, seed=3).samples
    data = save(home / "whole.wav", spoken).read_bytes()
    (home / "cut.wav").write_bytes(data[: len(data) // 2])
    told = []
    (made,) = voiceswap.convert(home / "cut.wav", as_="speakerA", on_event=told.append)
    warnings = [e.text for e in told if getattr(e, "warning", False)]
    assert any("cut.wav is damaged after 1.0 s: the rest of it is missing; 1.0 s are lost" in text for text in warnings)
    assert made.duration_s == pytest.approx(1.0, abs=0.01)
    with pytest.raises(AudioError, match="damaged after"):
        voiceswap.convert(home / "cut.wav", as_="speakerA", force=True, strict=True)


# R12


def lying(kind, whole, tmp_path):
    path = tmp_path / f"{kind}.bin"
    if kind.startswith("flac"):
        data = bytearray(whole["flac"].read_bytes())
        at = data.index(b"fLaC") + 8 + 10
        value = int.from_bytes(data[at : at + 8], "big") & ~((1 << 36) - 1)
        data[at : at + 8] = (value | ((1 << 36) - 1 if kind == "flac 2^36" else 0)).to_bytes(8, "big")
    else:
        data = bytearray(whole["wav"].read_bytes())
        changes = {
            "4 GiB": (40, "<I", 0xFFFFFFF0),
            "3 GiB": (40, "<I", 0xC0000000),
            "rate 0": (24, "<I", 0),
            "rate 1": (24, "<I", 1),
            "rate 3999": (24, "<I", 3999),
            "rate 2^31-1": (24, "<I", 2**31 - 1),
            "channels 0": (22, "<H", 0),
            "channels 65": (22, "<H", 65),
            "channels 65535": (22, "<H", 65535),
        }
        at, form, value = changes[kind]
        struct.pack_into(form, data, at, value)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "4 GiB",
        "3 GiB",
        "flac 2^36",
        "flac unknown",
        "rate 0",
        "rate 1",
        "rate 3999",
        "rate 2^31-1",
        "channels 0",
        "channels 65",
        "channels 65535",
    ],
)
def test_r12_lying_headers_cost_no_memory(kind, whole, tmp_path):
    path = lying(kind, whole, tmp_path)
    probe(whole["wav"])
    before_kb, there_kb = peak_kb(os.getpid(), anew=True), peak_kb(decoder_pid(), anew=True)
    if kind.startswith(("rate", "channels")):
        with pytest.raises(AudioError, match=re.escape(path.name)):
            n_read(path)
    else:
        damage = []
        assert n_read(path, damage) == len(SOUND)
        assert bool(damage) == (kind in ("3 GiB", "flac 2^36"))
    assert peak_kb(os.getpid()) - before_kb < 100_000
    assert peak_kb(decoder_pid()) - there_kb < 100_000


def decoder_pid():
    return child._get_server(os.getpid())._process.pid


# R14


def kinds(everything):
    rates = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 192000)
    subtypes = ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM")
    subtypes += ("MS_ADPCM", "VORBIS", "OPUS", "MPEG_LAYER_III")
    formats = {"wav": "WAV", "flac": "FLAC", "aiff": "AIFF", "caf": "CAF", "w64": "W64", "mp3": "MP3", "ogg": "OGG"}
    plain = [
        (suffix, name, subtype, rate, n_channels)
        for (suffix, name), subtype, rate, n_channels in itertools.product(formats.items(), subtypes, rates, (1, 2, 8))
        if soundfile.check_format(name, subtype)
    ]
    packed = [(kind, "", "", rate, n) for kind in CONTAINERS for rate in rates for n in (1, 2)]
    if everything:
        return plain + packed
    # One in 37, which is coprime to all the numbers of choices, so that each choice occurs; and a few of the others.
    return plain[::37] + packed[1::9]


@pytest.mark.timeout(0)
def test_r14_every_kind_is_read_at_its_length_and_pitch(tier, tmp_path):
    features = FeatureConfig()
    t = np.arange(RATE) / RATE
    phase = 2 * np.pi * 150 * t
    reference = sum(np.sin(k * phase) / k for k in range(1, 20)) * 0.15
    n_read_kinds, refused = 0, 0
    for suffix, format_name, subtype, rate, n_channels in kinds(tier(False, True)):
        at_rate = resample(reference.astype(np.float32), RATE, rate)[:, None].repeat(n_channels, axis=1)
        at_rate *= np.float32(0.9 / max(1.0, np.abs(at_rate).max()))
        path = tmp_path / f"x.{suffix}"
        label = (suffix, subtype, rate, n_channels)
        try:
            if format_name:
                write(path, at_rate, rate, format_name, subtype)
            else:
                encoded(path, at_rate, rate)
        except (soundfile.LibsndfileError, ValueError, OSError):
            refused += 1  # The writer's own limits: such files do not exist.
            continue
        kind = probe(path)
        assert (kind.sample_rate_hz, kind.n_channels) == (48_000 if suffix == "webm" else rate, n_channels), label
        n = n_read(path)
        loose = {"mp3": 1152, "m4a": 1024, "mp4": 1024, "webm": rate // 50, "IMA_ADPCM": 4096, "MS_ADPCM": 4096}
        slack = max(loose.get(suffix, 0), loose.get(subtype, 0)) + 1
        assert abs(n / kind.sample_rate_hz * rate - len(at_rate)) <= slack, (*label, n, len(at_rate))
        heard = read_mono(path, features.mel_rate_hz)
        f0 = estimate_f0(heard, features, "dio")
        # DIO finds nothing in so regular a sound with the noise of some encodings; Harvest takes ten times as long.
        f0 = f0 if f0.any() else estimate_f0(heard, features, "harvest")
        cents = 1200 * np.log2(np.median(f0[f0 > 0]) / 150)
        assert abs(cents) < 5, (*label, cents)
        n_read_kinds += 1
    assert n_read_kinds >= tier(25, 300)


# R15


@pytest.mark.parametrize(
    ("suffix", "subtype", "least_db"),
    [
        (".wav", "PCM_24", 90),
        (".flac", "PCM_24", 90),
        (".aiff", "PCM_24", 90),
        (".w64", "PCM_24", 90),
        (".ogg", "VORBIS", 15),
        (".mp3", "MPEG_LAYER_III", 15),
        (".opus", "OPUS", 15),
    ],
)
def test_r15_each_format_is_read_back_as_it_was_written(suffix, subtype, least_db, tmp_path):
    samples = synthetic.speech(synthetic.ANNA, 3.0, sample_rate_hz=RATE, seed=1).samples[:, None].astype(np.float32)
    path = tmp_path / f"x{suffix}"
    with Writer(path, AudioInfo(RATE, 1, "WAV", subtype)) as writer:
        writer.write(samples)
    back = np.concatenate(list(read_blocks(path)))
    assert len(back) == len(samples)
    error = back - samples
    assert 10 * np.log10(np.square(samples).sum() / max(np.square(error).sum(), 1e-20)) >= least_db


@pytest.mark.slow
def test_r15_ten_minutes_of_vorbis(tmp_path):
    block = np.random.default_rng(0).normal(0, 0.05, (60 * 44_100, 1)).astype(np.float32)
    with Writer(tmp_path / "x.ogg", AudioInfo(44_100, 1, "WAV", "PCM_16")) as writer:
        for _ in range(10):
            writer.write(block)
    assert n_read(tmp_path / "x.ogg") == 600 * 44_100


# R18


def mutated(data, draw):
    data = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        at = draw.randrange(min(len(data), draw.choice((64, 512, len(data)))))
        kind = draw.randrange(5)
        if kind == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[at : at + 4] = draw.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x80"))
        elif kind == 2:
            del data[at : at + draw.randrange(1, 200)]
        elif kind == 3:
            data[at:at] = draw.randbytes(draw.randrange(1, 50))
        else:
            data[at : at + 20] = draw.randbytes(20)
        if not data:
            return b"\0"
    return bytes(data)


@pytest.mark.timeout(0)
def test_r18_mutated_recordings_neither_crash_nor_hang_nor_raise_anything_else(whole, tier, tmp_path):
    short = {kind: encoded(tmp_path / f"short.{kind}", SOUND[: RATE // 4]).read_bytes() for kind in whole}
    draw = random.Random(1)
    server = child._get_server(os.getpid())
    probe(whole["wav"])
    generation = server.generation
    slowest_s, n_refused = 0.0, 0
    n = tier(500, 50_000, 5_000_000)
    for i in range(n):
        kind = draw.choice(list(short))
        path = tmp_path / f"x.{draw.choice((kind, kind, kind, 'm4a', 'wav'))}"
        path.write_bytes(mutated(short[kind], draw))
        began = time.monotonic()
        try:
            assert sum(len(b) for b in read_blocks(path, damaged=lambda text: None)) >= 0
        except VoiceswapError as error:
            n_refused += 1
            assert "crashed" not in error.message and "takes longer" not in error.message, (i, kind, error.message)
        slowest_s = max(slowest_s, time.monotonic() - began)
    assert server.generation == generation
    assert slowest_s < 10
    assert peak_kb(decoder_pid()) < 500 * 1024
    assert n / 20 < n_refused < n


# R19


def test_r19_what_names_further_files_opens_none_and_no_socket(tmp_path):
    secret = save(tmp_path / "secret.wav", np.zeros(1000))
    sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
    texts = {
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "http": "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{secret}'\n",
        "sdp": sdp,
    }
    for name, text in texts.items():
        for suffix in ("m4a", "mp4", "webm", "aac", "wav", "mp3"):
            (tmp_path / f"{name}.{suffix}").write_text(text)
    code = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        import av, soundfile
        from voiceswap.audio.decode import Refused, Track
        opened, sockets, watching = [], [], [False]
        def watch(event, arguments):
            if watching[0] and event == "open":
                opened.append(str(arguments[0]))
            if event.startswith("socket."):
                sockets.append(event)
        sys.addaudithook(watch)
        names = sys.argv[1:] + ["http://127.0.0.1:9/x.m4a", "file:///etc/hostname", "concat:a.wav|b.wav", "pipe:0.m4a"]
        watching[0] = True
        refused = 0
        for name in names:
            try:
                Track(Path(name))
            except Refused:
                refused += 1
        watching[0] = False
        print(refused == len(names), sorted(set(opened) - {str(Path(n)) for n in names}), sockets)
        """
    )
    paths = [str(p) for p in sorted(tmp_path.iterdir()) if p != secret]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert done.stdout == "True [] []\n"


def test_r18_an_mp4_whose_track_says_nothing_of_its_codec_is_refused(whole, tmp_path):
    """Found by the mutations: PyAV's stream has no rate then, and says so with an AttributeError."""
    data = bytearray(whole["mp4"].read_bytes())
    at = data.index(b"dinf") - 2
    data[at : at + 4] = b"\xff" * 4
    (tmp_path / "x.mp4").write_bytes(data)
    with pytest.raises(AudioError, match="is not a recording that can be read"):
        probe(tmp_path / "x.mp4")
