"""The speaker encoder: the network's own equations, and that it tells people apart."""

import numpy as np
import pytest

from voiceswap.audio.resample import resample
from voiceswap.model import speaker
from voiceswap.model.speaker import mean_embedding
from voiceswap.signal import synthetic


@pytest.fixture(scope="module")
def encoder():
    return speaker.load_speaker_encoder()


def said(who, seed, duration_s=4.0):
    return resample(synthetic.speech(who, duration_s, seed=seed).samples, 22050, speaker.SAMPLE_RATE_HZ)


def test_an_offset_is_no_part_of_a_voice(encoder):
    plain, offset = (mean_embedding(encoder.embed_pieces(said(synthetic.ANNA, 0) + dc)) for dc in np.float32([0, 0.03]))
    assert plain @ offset > 0.999


def test_one_person_points_one_way_and_another_elsewhere(encoder):
    anna, boris = (
        [mean_embedding(encoder.embed_pieces(said(who, seed))) for seed in range(3)]
        for who in (synthetic.ANNA, synthetic.BORIS)
    )
    same = [people[i] @ people[j] for people in (anna, boris) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert min(same) > max(a @ b for a in anna for b in boris) + 0.1


def test_pieces_are_directions_of_length_one_and_silence_has_none(encoder):
    samples = said(synthetic.ANNA, 0, 8.0)
    pieces = encoder.embed_pieces(samples)
    assert 5 <= len(pieces) <= 1 + 8.0 / 0.77 and pieces.shape[1] == speaker.WIDTH
    np.testing.assert_allclose(np.linalg.norm(pieces, axis=1), 1, atol=1e-5)
    for nothing in (np.zeros(16000, np.float32), np.zeros(0, np.float32)):
        assert encoder.embed_pieces(nothing).shape == (0, speaker.WIDTH)
    assert np.isnan(mean_embedding(np.zeros((0, speaker.WIDTH)))).all()
    assert len(encoder.embed_pieces(samples[:3000])) == 1


def test_many_recordings_are_heard_as_one_by_one(encoder):
    many = [said(synthetic.ANNA, 0, 3.0), np.zeros(8000, np.float32), said(synthetic.BORIS, 1, 2.0)]
    for together, alone in zip(encoder.embed_recordings(many), map(encoder.embed_pieces, many), strict=True):
        np.testing.assert_allclose(together, alone, atol=1e-5)
    assert encoder.embed_recordings([]) == []


def test_quiet_recordings_are_raised(encoder):
    samples = said(synthetic.BORIS, 1)
    samples *= np.float32(0.03 / np.sqrt(np.mean(samples**2)))
    loud, quiet = (mean_embedding(encoder.embed_pieces(samples * np.float32(gain))) for gain in (1.0, 0.1))
    assert loud @ quiet > 0.999
