"""Sound tracks of containers, and nothing else that they name."""

import numpy as np
import pytest
import soundfile

from conftest import encoded
from voiceswap.audio.read import probe, read_blocks, read_tags
from voiceswap.errors import AudioError


def wav(path, samples, rate=16000):
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate"), [("x.m4a", "aac", 44_100), ("x.mp4", "aac", 48_000), ("x.webm", "libopus", 48_000)]
)
def test_sound_tracks_are_decoded(name, codec, rate, tmp_path):
    t = np.arange(2 * rate) / rate
    samples = np.stack([0.3 * np.sin(2 * np.pi * 440 * t), 0.1 * np.sin(2 * np.pi * 880 * t)], axis=-1).astype(
        np.float32
    )
    path = encoded(tmp_path / name, samples, codec, rate)
    info = probe(path)
    assert (info.sample_rate_hz, info.n_channels, info.title) == (rate, 2, "A song")
    assert read_tags(path)["title"] == "A song"
    made = np.concatenate(list(read_blocks(path)))
    assert abs(len(made) - len(samples)) < 0.1 * rate
    spectra = np.abs(np.fft.rfft(made[: 2 * rate], axis=0))
    hz = np.fft.rfftfreq(min(len(made), 2 * rate), 1 / rate)
    np.testing.assert_allclose(hz[spectra.argmax(axis=0)], [440, 880], atol=1)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(AudioError, match="not a recording that can be read"):
        list(read_blocks(path))


def test_containers_open_no_other_file(tmp_path):
    """R19: what names further files is refused, whatever its ending."""
    secret = wav(tmp_path / "secret.wav", np.zeros(1000, np.float32))
    for text in (f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n", f"ffconcat version 1.0\nfile '{secret}'\n", "hello"):
        path = tmp_path / "list.m4a"
        path.write_text(text)
        with pytest.raises(AudioError, match="not a recording that can be read"):
            probe(path)
