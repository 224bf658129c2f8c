"""The demo's own arithmetic; that it trains and converts is in tests/shell/commands/test_demo.py."""

import numpy as np

from voiceswap.audio.read import read_mono
from voiceswap.jobs import demo
from voiceswap.signal import synthetic


def test_recordings_are_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "TAKES", 2)
    monkeypatch.setattr(demo, "SPEECH_S", 2.0)
    events = []
    folder = demo._make_recordings(tmp_path / "speakerA", synthetic.ANNA, events.append)
    assert [(event.voice, event.stage, event.step) for event in events] == [
        ("speakerA", "synthesising", 0),
        ("speakerA", "synthesising", 1),
    ]
    takes = sorted(folder.glob("*.wav"))
    assert len(takes) == 2
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in takes]
    assert demo._make_recordings(tmp_path / "speakerA", synthetic.ANNA) == folder
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in takes] == before


def test_a_copy_keeps_the_melody_and_the_timbre_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "TAKES", 2)
    monkeypatch.setattr(demo, "SPEECH_S", 3.0)
    own = demo._make_recordings(tmp_path / "speakerA", synthetic.ANNA)
    song = tmp_path / "song.wav"
    demo._write(song, synthetic.song(synthetic.CLARA, sample_rate_hz=demo.RATE_HZ).samples)
    scores = demo._scores(song, song, own)
    assert scores["melody_correlation"] > 0.999
    # What was not converted has its source's timbre, not the voice's.
    assert scores["to_source_db"] < 0.01 < scores["to_target_db"]
    as_own = demo._scores(song, sorted(own.glob("*.wav"))[0], own)
    assert as_own["to_target_db"] < scores["to_target_db"]
    assert np.abs(read_mono(song, demo.RATE_HZ)).max() > 0.01
