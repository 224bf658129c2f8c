"""Conversions bear the mark of their voice; what was not converted bears none."""

import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import save
from voiceswap.errors import AudioError, StoppedError, UsageError
from voiceswap.signal import synthetic

SPOKEN = synthetic.speech(synthetic.BORIS, 12.0, seed=3).samples


def test_a_conversion_is_recognised_and_its_source_is_not(voice, home):
    source = save(home / "a.wav", SPOKEN)
    (conversion,) = voiceswap.convert(source, as_="speakerA")
    (plain,) = voiceswap.convert(source, as_="speakerA", mark=False, out=home / "plain.wav")
    assert conversion.marked and not plain.marked
    findings = voiceswap.detect(conversion.output, plain.output, source)
    assert [f.detection.decision for f in findings] == ["yes", "no", "no"]
    assert findings[0].detection.tag == voice.tag
    with soundfile.SoundFile(plain.output) as file:
        assert "not marked" in file.comment
    marked, unmarked = (soundfile.read(p)[0] for p in (conversion.output, plain.output))
    assert marked.shape == unmarked.shape
    assert 20 * np.log10(np.std(unmarked) / np.std(marked - unmarked)) > 20


def test_samples_are_marked_too(voice):
    samples = voice.convert(SPOKEN, 22050)
    assert samples.shape == SPOKEN.shape
    assert np.abs(samples - voice.convert(SPOKEN, 22050, mark=False)).max() > 1e-4


def test_what_is_too_short_to_bear_a_mark_is_written_all_the_same(voice, home):
    (conversion,) = voiceswap.convert(save(home / "a.wav", SPOKEN[:8000]), as_="speakerA")
    assert conversion.output.exists() and not conversion.marked


def test_no_recordings(home):
    with pytest.raises(UsageError, match="no such file"):
        voiceswap.detect(home / "none.wav")
    (home / "x.wav").write_text("hello")
    with pytest.raises(AudioError, match="not a recording"):
        voiceswap.detect(home / "x.wav")


def test_a_stop_is_heard_while_recordings_are_listened_to(home):
    source = save(home / "a.wav", SPOKEN)
    with pytest.raises(StoppedError, match="stopped"):
        voiceswap.detect(source, stopped=lambda: True)
