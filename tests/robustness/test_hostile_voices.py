"""R22: voices made by strangers, down to their settings and cards. They may fail to load, and do nothing else."""

import os

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load

import voiceswap
from conftest import peak_kb, save
from voiceswap.errors import ModelError
from voiceswap.shell.cli import app
from voiceswap.storage import folder

SOUND = np.random.default_rng(0).normal(0, 0.1, 22_050).astype(np.float32)


def hostile(voice, change_config=None, change_card=None, arrays=None):
    """The voice written again with other settings, its sums all in order."""
    opened = folder.open_folder(voice.path, kind="voice", max_bytes=10**7)
    config, card = opened.document("config"), opened.document("card")
    (change_config or (lambda c: None))(config)
    (change_card or (lambda c: None))(card)
    kept = load((voice.path / "weights.safetensors").read_bytes()) if arrays is None else arrays
    groups = {"weights": kept} if kept else {}
    folder.write_folder(voice.path, kind="voice", documents={"config": config, "card": card}, arrays=groups)


def put(section, **values):
    return lambda config: config[section].update(values)


def keras_model(config):
    config.clear()
    inner = {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}}
    config.update({"module": "keras", "class_name": "Sequential", "config": {"layers": [inner]}})


CONFIGS = {
    "a keras model": keras_model,
    "a module to import": lambda c: c.update({"module": "os", "class_name": "system", "config": ["id"]}),
    "an unknown section": lambda c: c.update({"hooks": {"on_load": "os.system"}}),
    "an unknown key": put("decoder", activation="lambda x: x"),
    "a huge width": put("decoder", width=8192, expansion=8192),
    "many huge blocks": put("decoder", width=8192, dilations=[1] * 32),
    "a huge kernel": put("decoder", kernel_frames=8192, width=8192),
    "many speakers": put("decoder", n_speakers=8192, speaker_dim=8192),
    "a huge content": put("encoder", content_dim=8192),
    "a huge encoder": put("encoder", width=8192, n_layers=8192),
    "a huge window": put("encoder", window_vectors=8192),
    "a huge vocoder": put("vocoder", channels=8192),
    "many bands": put("features", n_mels=8192),
    "one sample a frame": lambda c: (
        c["features"].update(hop_samples=1),
        c["vocoder"].update(upsample_rates=[1], upsample_kernels=[1]),
    ),
    "a width beyond all": put("decoder", width=10**9),
    "a negative width": put("decoder", width=-1),
    "a width of text": put("decoder", width="__import__('os')"),
    "a width of lists": put("decoder", width=[[[]]]),
    "no dilations": put("decoder", dilations=[]),
    "a million dilations": put("decoder", dilations=[1] * 100_000),
    "another rate": put("features", mel_rate_hz=48_000),
    "odd heads": put("encoder", n_heads=3),
    "another schema": lambda c: c.update(schema_version=2),
    "no sections": lambda c: c.update({k: None for k in list(c)}),
    "nothing but a number": lambda c: (c.clear(), c.update({"features": 1})),
}
CARDS = {
    "no name": lambda c: c.pop("name"),
    "a name that is a path": lambda c: c.update(name="../../x"),
    "a name that commands the terminal": lambda c: c.update(name="\x1b[2Jx"),
    "a name that is a list": lambda c: c.update(name=["x"]),
    "no base": lambda c: c.pop("base"),
    "another base": lambda c: c.update(base="0" * 12),
    "no range": lambda c: c.pop("f0_range"),
    "a range of text": lambda c: c.update(f0_range="low"),
    "a negative range": lambda c: c["f0_range"].update(low_hz=-100.0),
    "a range upside down": lambda c: c["f0_range"].update(low_hz=400.0),
    "an endless range": lambda c: c["f0_range"].update(high_hz=1e308),
    "a range beyond all numbers": lambda c: c["f0_range"].update(high_hz=10**400),
    "a range of objects": lambda c: c["f0_range"].update(mid_hz={}),
}


@pytest.fixture(scope="module", autouse=True)
def onnxruntime_is_loaded():
    """What the first conversion of a process imports is no cost of a hostile voice."""
    from voiceswap.config import Config
    from voiceswap.signal.f0 import estimate_f0

    estimate_f0(SOUND, Config().features)


def refused(voice, tmp_path):
    before = {p for p in tmp_path.rglob("*") if p != voice.path}
    size = sum(p.stat().st_size for p in voice.path.iterdir())
    before_kb = peak_kb(os.getpid(), anew=True)
    with pytest.raises(ModelError) as caught:
        voiceswap.load("speakerA").convert(SOUND, 22_050)
    assert caught.value.exit_code == 4 and caught.value.hint
    assert caught.value.message.isprintable() and len(caught.value.message) < 400
    # The networks of the tiny base take some megabytes on their way to a refusal.
    assert 1024 * (peak_kb(os.getpid()) - before_kb) < 2 * size + 50e6
    assert {p for p in tmp_path.rglob("*") if p != voice.path} == before


@pytest.mark.parametrize("kind", CONFIGS)
def test_r22_hostile_settings_are_refused(kind, voice, tmp_path):
    hostile(voice, change_config=CONFIGS[kind])
    refused(voice, tmp_path)


@pytest.mark.parametrize("kind", CARDS)
def test_r22_hostile_cards_are_refused(kind, voice, tmp_path):
    hostile(voice, change_card=CARDS[kind])
    refused(voice, tmp_path)


@pytest.mark.parametrize("speaker", [{"x": 1}, "anna", [1], {"n_recordings": "many"}], ids=str)
def test_r22_info_does_not_repeat_what_a_hostile_card_says_of_the_speaker(speaker, voice, capsys):
    kept = voice.card["speaker"] | speaker if "n_recordings" in speaker else speaker
    hostile(voice, change_card=lambda c: c.update(speaker=kept))
    with pytest.raises(ModelError, match=r"card\.json has no valid speaker embedding"):
        app(["info", "speakerA"], standalone_mode=False)
    assert "known from" not in capsys.readouterr().out


def test_r22_weights_that_are_not_there_or_another_network(voice, tmp_path):
    kept = load((voice.path / "weights.safetensors").read_bytes())
    hostile(voice, arrays={})
    refused(voice, tmp_path)
    for arrays in (
        {k: v.astype(np.float32) for k, v in kept.items()},
        {k: v.reshape(-1) for k, v in kept.items()},
        {k: v for k, v in list(kept.items())[1:]},
        kept | {"../../x": np.zeros(1, np.float16)},
    ):
        folder.write_folder(
            voice.path, kind="voice", documents={"config": voice.config.to_json(), "card": voice.card},
            arrays={"weights": arrays},
        )  # fmt: skip
        refused(voice, tmp_path)
    assert len(CONFIGS) + len(CARDS) + 5 >= 30


@pytest.mark.parametrize("value", [np.nan, np.inf, 65_504.0])
def test_r22_weights_that_lead_to_no_numbers(value, voice, home):
    kept = load((voice.path / "weights.safetensors").read_bytes())
    hostile(voice, arrays={k: np.full_like(v, value) for k, v in kept.items()})
    source = save(home / "b.wav", SOUND)
    try:
        (made,) = voiceswap.convert(source, as_="speakerA", mode="dry")
    except ModelError as error:
        assert "produces samples that are not numbers" in error.message
        assert not (home / "b.speakerA.wav").exists()
    else:
        samples, _ = soundfile.read(made.output)
        assert value == 65_504 and np.isfinite(samples).all() and np.abs(samples).max() <= 1
