"""convert --keep-stages: what is kept is what the conversion was made of."""

import av
import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import save
from voiceswap.audio.write import Writer
from voiceswap.conversion import intermediates as stages
from voiceswap.conversion.intermediates import open_growing_npy
from voiceswap.conversion.windows import Grid
from voiceswap.errors import UsageError, WriteError
from voiceswap.model.encoder import ContentEncoder
from voiceswap.signal import synthetic


@pytest.mark.parametrize("duration_s", [0.1, 40.0])
def test_the_stages_of_a_conversion(voice, home, duration_s):
    samples = np.resize(synthetic.speech(synthetic.BORIS, 5.0, seed=3).samples, round(duration_s * 22050))
    source = save(home / "boris.wav", samples * 0.8)  # So soft that the mix bends no peak.
    folder = home / "stages"
    (made,) = voiceswap.convert(source, as_="speakerA", keep_stages=folder, mode="dry", mark=False, pitch_semitones=3)
    assert sorted(p.name for p in folder.iterdir()) == sorted(stages.FILES)
    content, mel = np.load(folder / "content.npy"), np.load(folder / "mel.npy")
    f, n = voice.config.features, len(samples)
    assert mel.shape == (-(-n // f.hop_samples), f.n_mels) and mel.dtype == np.float32 and np.isfinite(mel).all()
    assert content.shape[1] == voice.config.encoder.content_dim
    assert abs(len(content) - n / 22050 * f.content_per_s) <= 1
    vocal, rate = soundfile.read(folder / "vocal.wav", dtype="float32")
    result, _ = soundfile.read(made.output, dtype="float32")
    assert rate == 22050
    np.testing.assert_allclose(vocal, result, atol=2**-14)
    # The vocoder makes of the kept mel what was written, up to loudness: here their spectra's envelopes in time agree.
    again = home / "again.wav"
    voiceswap.convert(
        source, as_="speakerA", out=again, f0=folder / "f0.csv", mode="dry", mark=False, pitch_semitones=3
    )
    np.testing.assert_allclose(soundfile.read(again, dtype="float32")[0], result, atol=0.02)
    for name in ("f0.png", "content.png", "mel.png"):
        with av.open(str(folder / name)) as file:
            assert next(file.decode(video=0)).to_ndarray(format="gray").std() > 0, f"{name} is blank"


def test_the_kept_content_and_mel_are_what_decoder_and_vocoder_were_made_to_hear(voice, home, monkeypatch):
    samples = synthetic.speech(synthetic.BORIS, 4.0, seed=3).samples
    found, heard = [], []
    window = ContentEncoder.encode_window
    monkeypatch.setattr(ContentEncoder, "encode_window", lambda *given: found.append(window(*given)) or found[-1])
    model = type(voice.engine.get_vocoder("best"))
    plain = model.__call__

    def watched(self, mel, *rest):
        heard.append(np.array(mel))
        return plain(self, mel, *rest)

    monkeypatch.setattr(model, "__call__", watched)
    voiceswap.convert(save(home / "b.wav", samples), as_="speakerA", keep_stages=home / "s", mode="dry")
    mel = np.load(home / "s" / "mel.npy")
    (whole,) = heard
    spare = (len(whole) - len(mel)) // 2
    np.testing.assert_array_equal(whole[spare : spare + len(mel)], mel)
    content, (made,) = np.load(home / "s" / "content.npy"), found
    before = Grid.of(voice.config).before_vectors
    np.testing.assert_array_equal(made[before : before + len(content)], content)


def test_nothing_is_replaced_unasked_and_nothing_half_written_stays(voice, home, monkeypatch):
    source = save(home / "b.wav", synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples)
    (home / "s").mkdir()
    (home / "s" / "mel.npy").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"mel\.npy exists"):
        voiceswap.convert(source, as_="speakerA", keep_stages=home / "s", mode="dry")
    assert [p.name for p in (home / "s").iterdir()] == ["mel.npy"] and not (home / "b.speakerA.wav").exists()
    with pytest.raises(UsageError, match="are for one recording at a time"):
        voiceswap.convert(source, source, as_="speakerA", keep_stages=home / "s")

    def broken(self, block):
        raise WriteError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", broken)
        with pytest.raises(WriteError):
            voiceswap.convert(source, as_="speakerA", keep_stages=home / "t", mode="dry")
    assert list((home / "t").iterdir()) == []
    voiceswap.convert(source, as_="speakerA", keep_stages=home / "s", mode="dry", force=True)
    assert np.load(home / "s" / "mel.npy").ndim == 2


def test_silence_has_stages_too(voice, home):
    source = save(home / "silent.wav", np.zeros(22050))
    voiceswap.convert(source, as_="speakerA", keep_stages=home / "s", mode="dry")
    assert np.load(home / "s" / "mel.npy").shape == (0, 80)


def test_rows_are_written_as_they_come(tmp_path):
    rows = np.random.default_rng(0).normal(0, 1, (1000, 7)).astype(np.float32)
    with open_growing_npy(tmp_path / "x.npy", 7) as growing:
        for first in range(0, 1000, 33):
            growing.add(rows[first : first + 33])
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), rows)
