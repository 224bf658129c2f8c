"""Content Credentials: signed, read back, and one byte changed."""

import base64
import json
import re
import sys

import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import save
from voiceswap.errors import UsageError
from voiceswap.jobs.detect import describe_recording
from voiceswap.provenance.c2pa import Credentials, Signer
from voiceswap.shell.cli import app
from voiceswap.signal import synthetic

SPOKEN = synthetic.speech(synthetic.BORIS, 2.0, seed=3).samples


@pytest.fixture
def source(home):
    return save(home / "a.wav", SPOKEN)


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3"])
def test_a_signed_result_is_verified_and_a_changed_byte_is_told(voice, source, certificate, ending, capsys):
    plain, signed = (source.with_name(f"{name}.{ending}") for name in ("plain", "signed"))
    voiceswap.convert(source, as_="speakerA", out=plain)
    app(
        ["convert", str(source), "--as", "speakerA", "-o", str(signed), "--c2pa", *map(str, certificate)],
        standalone_mode=False,
    )
    np.testing.assert_array_equal(soundfile.read(signed)[0], soundfile.read(plain)[0])
    found = describe_recording(signed)
    assert found.credentials == Credentials("valid", "Anna, Tests")
    assert found.record.signed and found.record.voice == "speakerA" and found.faults == ()
    assert describe_recording(plain).credentials is None
    capsys.readouterr()
    app(["info", str(signed)], standalone_mode=False)
    assert "content credentials: valid, signed by Anna, Tests" in capsys.readouterr().out
    data = bytearray(signed.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    signed.write_bytes(data)
    with pytest.raises(SystemExit) as ended:
        app(["info", str(signed)])
    assert ended.value.code == 1
    assert "WRONG: changed since it was signed: assertion.dataHash.mismatch" in capsys.readouterr().out
    assert not [p for p in source.parent.iterdir() if ".tmp" in p.name]


@pytest.mark.parametrize("kind", ["RF64", "RIFX", "OGG", "AIFF", "W64", "FLAC", "WAVEX"])
def test_what_is_called_a_wav_and_was_never_signed_is_not_broken(kind, home):
    pytest.importorskip("c2pa")
    options = {"format": "WAV", "endian": "BIG"} if kind == "RIFX" else {"format": kind}
    soundfile.write(home / "x.wav", SPOKEN, 22_050, **options)
    assert describe_recording(home / "x.wav").credentials is None


def test_a_signature_is_found_whatever_the_file_is_called(voice, source, certificate):
    (made,) = voiceswap.convert(source, as_="speakerA", c2pa=certificate)
    for name in ("b.mp3", "b.ogg"):
        renamed = made.output.rename(source.with_name(name))
        found = describe_recording(renamed)
        assert found.credentials.state == "valid" and not found.faults
        renamed.rename(made.output)


def test_the_manifest_says_what_the_tags_say(voice, source, certificate):
    import c2pa

    (made,) = voiceswap.convert(source, as_="speakerA", c2pa=certificate)
    with c2pa.Reader(str(made.output)) as reader:
        manifest = reader.get_active_manifest()
    (action,) = next(a for a in manifest["assertions"] if a["label"] == "c2pa.actions.v2")["data"]["actions"]
    assert action["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert action["parameters"]["voice_id"] == voice.id
    assert manifest["claim_generator_info"][0]["name"] == "voiceswap"


def test_each_byte_of_sound_and_tags_counts(voice, source, certificate):
    (made,) = voiceswap.convert(source, as_="speakerA", c2pa=certificate)
    whole = made.output.read_bytes()
    manifest = whole.index(b"C2PA")
    rng = np.random.default_rng(0)
    for at in [*rng.integers(100, manifest, 30), *rng.integers(manifest, len(whole), 30)]:
        data = bytearray(whole)
        data[at] ^= 0x10
        made.output.write_bytes(data)
        # A signature holds padding that nothing depends on: there it is enough to survive.
        assert describe_recording(made.output).faults or at >= manifest, at
    with soundfile.SoundFile(made.output, "w", 22050, 1) as file:
        file.comment = account_comment(whole, made.output)
        file.write(SPOKEN)
    assert describe_recording(made.output).faults == ("it was signed, but its signature is gone",)


def account_comment(whole, path):
    path.write_bytes(whole)
    return describe_recording(path).tags["comment"]


def on_another_curve(pem, path):
    """The first of a PEM file with its curve, prime256v1, called prime239v1, which cryptography does not know."""
    begin, body, end = re.match(r"(-.*-\n)([\w+/=\n]+)(-.*-\n)", pem.read_text()).groups()
    curve = bytes.fromhex("2a8648ce3d0301")
    changed = base64.b64decode(body).replace(curve + b"\x07", curve + b"\x04")
    path.write_text(f"{begin}{base64.b64encode(changed).decode()}\n{end}")
    return path


def test_certificates_that_are_of_no_use_are_refused_before_the_work(voice, source, certificate, home):
    chain, key = certificate
    (home / "text.pem").write_text("hello")
    for pair, says in [
        ((home / "none.pem", key), "cannot read .*none.pem: no such file"),
        ((chain, home / "none.pem"), "cannot read .*none.pem: no such file"),
        ((home / "text.pem", key), "text.pem cannot be used"),
        ((chain, home / "text.pem"), "text.pem cannot be used"),
        ((chain, on_another_curve(key, home / "odd_key.pem")), "odd_key.pem cannot be used: Curve .* not supported"),
        ((on_another_curve(chain, home / "odd.pem"), key), "odd.pem cannot be used: Curve .* not supported"),
        ((chain, chain.with_name("root_key.pem")), "root_key.pem is not the key of"),
        ((chain.with_name("root.pem"), chain.with_name("root_key.pem")), "C2PA refuses"),
    ]:
        with pytest.raises(UsageError, match=says):
            voiceswap.convert(source, as_="speakerA", c2pa=pair)
    for ending in ("ogg", "opus", "w64"):
        with pytest.raises(UsageError, match="cannot be signed"):
            voiceswap.convert(source, as_="speakerA", c2pa=certificate, out=home / f"x.{ending}")
    assert {p.name for p in home.iterdir() if p.is_file()} == {"a.wav", "text.pem", "odd.pem", "odd_key.pem"}


def test_without_the_package_it_is_said(source, certificate, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(UsageError, match="`c2pa` needs a package") as caught:
        Signer(certificate)
    assert "pip install" in caught.value.hint
    app(["info", str(source), "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["credentials"]["state"] == "unlooked"
