"""Tiny networks and synthesised voices, shared by all tests."""

import os
import shutil
import socket
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# R39 for what tests start: a sitecustomize.py of ours.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(Path(__file__).parent / "offline"), os.environ.get("PYTHONPATH")))
)

import hypothesis
import numpy as np
import pytest

import forks
from voiceswap.config import Config, DecoderConfig, EncoderConfig, QuickVocoderConfig, TrainConfig, VocoderConfig
from voiceswap.model.weights import to_arrays
from voiceswap.signal import synthetic

# An example may wait for a busy machine, and what failed once is no part of the next run.
hypothesis.settings.register_profile("tests", deadline=None, database=None)
hypothesis.settings.load_profile("tests")


# Left out by --quick: what uses these fixtures trains or converts, and what lies here builds networks or starts
# commands, each of which imports TensorFlow.
SLOW_FIXTURES = {"trained", "voice", "people", "mother", "studio", "site", "tiny_base", "use_tiny"}
SLOW_PLACES = tuple(
    f"tests/{place}"
    for place in (
        "end_to_end/",
        "robustness/",
        "model/",
        "training/",
        "jobs/test_check.py",
        "jobs/test_doctor.py",
        "scoring/test_external.py",
        "shell/test_cli.py",
        "shell/test_quiet.py",
    )
)


# These share one pretrained base.
PRETRAINING = (
    "tests/jobs/test_pretrain.py",
    "tests/training/base/test_parts.py",
    "tests/training/base/test_quick_vocoder.py",
    "tests/training/base/test_vocoder.py",
)


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="only what neither trains, converts nor starts processes")
    parser.addoption("--slow", action="store_true", help="also the checks of tier N, at their larger numbers")
    parser.addoption("--soak", action="store_true", help="also the checks of tier S, at the largest numbers")


def pytest_collection_modifyitems(config, items):
    if config.getoption("quick"):
        slow = [item for item in items if SLOW_FIXTURES & set(item.fixturenames) or item.nodeid.startswith(SLOW_PLACES)]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
    for item in items:
        for marker, chosen in (("slow", ("slow", "soak")), ("soak", ("soak",))):
            if item.get_closest_marker(marker) and not any(config.getoption(option) for option in chosen):
                item.add_marker(pytest.mark.skip(reason=f"only with --{marker}"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """What shares what takes minutes to make runs in one process; each other test goes to whichever is free."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            for shared in ("tests/end_to_end/", "tests/training/test_timelapse.py", *PRETRAINING):
                if nodeid.startswith(shared):
                    return "pretraining" if shared in PRETRAINING else shared
            return nodeid

    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """R39: whoever asks for a connection, in any test, fails it, even where the error is caught."""
    asked = []

    def refuse(*arguments, **options):
        asked.append(arguments)
        raise AssertionError(f"a connection was asked for: {arguments}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    yield asked
    assert not asked, f"a connection was asked for: {asked}"


@pytest.fixture
def tier(request):
    """Picks a figure by the tier that runs: default, --slow or --soak."""

    def pick(default, slow, soak=None):
        if request.config.getoption("soak"):
            return slow if soak is None else soak
        return slow if request.config.getoption("slow") else default

    return pick


TINY = Config(
    encoder=EncoderConfig(width=16, n_heads=2, n_layers=1, content_dim=8, window_vectors=400),
    decoder=DecoderConfig(width=16, dilations=(1, 2), speaker_dim=4, n_speakers=2),
    vocoder=VocoderConfig(channels=16, block_kernels=(3,), block_dilations=(1,)),
    quick_vocoder=QuickVocoderConfig(width=8, n_blocks=1),
    train=TrainConfig(
        crop_frames=64,
        batch=4,
        steps=12,
        evaluate_every=4,
        warmup_steps=2,
        adversary_from_step=4,
        perturbed_copies=1,
        checkpoint_every_s=0.0,
    ),
)


def keras_network(part, config=TINY):
    """A part of a base as training has it, with fresh weights."""
    from importlib import import_module

    return import_module(f"voiceswap.model.networks.{'hifigan' if part == 'vocoder' else part}").build(config)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory):
    """A base of tiny networks with random weights."""
    import keras

    from voiceswap.model import base

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("tiny") / "base"
    arrays = {part: to_arrays(keras_network(part)) for part in base.PARTS}
    base.write_base(path, TINY, {"note": "random weights"}, arrays, {})
    return path


@pytest.fixture(scope="session")
def quick_base(tiny_base, tmp_path_factory):
    """The same base with a quick vocoder."""
    import keras

    from voiceswap.model import base

    keras.utils.set_random_seed(1)
    path, tiny = tmp_path_factory.mktemp("quick") / "base", base.load_base(tiny_base)
    arrays = {part: tiny.arrays(part) for part in base.PARTS}
    arrays[base.QUICK] = to_arrays(keras_network(base.QUICK))
    base.write_base(path, TINY, tiny.card, arrays, {})
    return path


@pytest.fixture(scope="session")
def features_cache(tmp_path_factory):
    """One feature cache for all tests: its entries are named by what they are made of."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path, features_cache, monkeypatch):
    """A voices folder of the test's own."""
    monkeypatch.setenv("VOICESWAP_VOICES", str(tmp_path / "voices"))
    monkeypatch.setenv("VOICESWAP_CACHE", str(features_cache))
    return tmp_path


@pytest.fixture
def use_tiny(tiny_base, monkeypatch):
    """The tiny base instead of the shipped one, and no check before a training."""
    from voiceswap.jobs import check
    from voiceswap.model import base

    monkeypatch.setattr(base, "SHIPPED", tiny_base)
    monkeypatch.setattr(check, "check_recordings", forks.unchecked)
    return tiny_base


@pytest.fixture
def use_quick(quick_base, monkeypatch):
    """The tiny base with a quick vocoder instead of the one without; after `voice` or `use_tiny`."""
    from voiceswap.model import base

    monkeypatch.setattr(base, "SHIPPED", quick_base)
    return quick_base


def save(path, samples, sample_rate_hz=22050, subtype="PCM_16"):
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, sample_rate_hz, subtype=subtype)
    return path


def peak_kb(pid, *, anew=False):
    """The most memory that a process has held at once, `anew` from here on; 0 where the system does not say (macOS)."""
    if not os.path.exists("/proc/self/clear_refs"):
        return 0
    if anew:
        # The peak does not fall by itself: what was taken once would hide all that comes after.
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def encoded(path, samples, codec, rate=44_100, form=None, options=None, coder=None):
    """Samples (n, n_channels) as soundfile cannot write them, in a container that the ending or `form` says.

    `options` are the container's, `coder` those of the codec.
    """
    import av

    with av.open(str(path), "w", format=form, options=options or {}) as container:
        layout = "mono" if samples.shape[1] == 1 else "stereo"
        stream = container.add_stream(codec, rate=rate, layout=layout, options=coder or {})
        container.metadata["title"] = "A song"
        frame = av.AudioFrame.from_ndarray(samples.T.copy(), format="fltp", layout=layout)
        frame.rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


@pytest.fixture(scope="session")
def spoken(tmp_path_factory):
    """A folder of 48 s with 36 s of speech in three takes: not to be changed."""
    folder = tmp_path_factory.mktemp("spoken") / "speakerA"
    for take in range(3):
        save(folder / f"take{take}.wav", synthetic.speech(synthetic.ANNA, 16.0, seed=take).samples)
    return folder


@pytest.fixture
def recordings(home, spoken):
    """A copy of `spoken` to change at will."""
    return shutil.copytree(spoken, home / "speakerA")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, spoken, features_cache, tiny_base):
    """A voices folder with the tiny voice speakerA: not to be changed."""
    import voiceswap
    from voiceswap.jobs import check
    from voiceswap.model import base

    voices = tmp_path_factory.mktemp("trained") / "voices"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOICESWAP_CACHE", str(features_cache))
        patch.setattr(base, "SHIPPED", tiny_base)
        patch.setattr(check, "check_recordings", forks.unchecked)
        voiceswap.train(spoken, voices=voices)
    return voices


@pytest.fixture
def voice(home, trained, use_tiny):
    """The tiny voice speakerA, in the voices folder of the test's own."""
    import voiceswap

    shutil.copytree(trained / "speakerA", home / "voices" / "speakerA")
    return voiceswap.load("speakerA")


def use_tiny_parts(patch):
    """Parts of a base have tiny networks and are trained for six steps."""
    from voiceswap.training.base import context, decoder, quick_vocoder, vocoder

    train = TINY.train.model_copy(update={"steps": 6, "adversary": 0.0})
    patch.setattr(context, "DecoderConfig", lambda: TINY.decoder)
    patch.setattr(decoder, "BASE_TRAIN", train)
    patch.setattr(vocoder, "LOW_RANK_TRAIN", train.model_copy(update={"crop_frames": 40, "batch": 2}))
    patch.setattr(vocoder, "EXAMPLE_FRAMES", 60)
    patch.setattr(quick_vocoder, "QUICK_TRAIN", train.model_copy(update={"crop_frames": 24, "batch": 2}))


def copy_people(spoken, home):
    for name in ("anna", "bert"):
        shutil.copytree(spoken, home / "people" / name)
    return home / "people"


@pytest.fixture
def people(home, spoken, use_tiny, monkeypatch):
    """A folder of two people; a base that is made of them has tiny networks."""
    use_tiny_parts(monkeypatch)
    return copy_people(spoken, home)


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory, spoken, features_cache, tiny_base):
    """The working folder of a whole pretraining on `people`: not to be changed."""
    from voiceswap.model import base

    home = tmp_path_factory.mktemp("pretrained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOICESWAP_CACHE", str(features_cache))
        patch.setattr(base, "SHIPPED", tiny_base)
        use_tiny_parts(patch)
        run_pretrain(copy_people(spoken, home), home / "work")
    return home / "work"


def run_pretrain(people, out, **options):
    """A pretraining's result, and the notes that it gave; without the quick vocoder, unless it is asked for."""
    from voiceswap.events import Note
    from voiceswap.jobs.pretrain import PARTS, pretrain
    from voiceswap.model.base import QUICK

    events = []
    parts = tuple(part for part in PARTS if part != QUICK)
    result = pretrain(people, out=out, **{"on_event": events.append, "parts": parts} | options)
    return result, [event.text for event in events if isinstance(event, Note)]


def stopped_at(stage, step):
    """Options of a job that someone stops there."""
    from voiceswap.events import Progress

    seen = []

    def listen(event):
        seen.append(isinstance(event, Progress) and (event.stage, event.step) == (stage, step))

    return {"on_event": listen, "stopped": lambda: any(seen)}


@pytest.fixture(scope="session")
def mother(tiny_base, tmp_path_factory):
    """Starts commands, with the tiny base, in processes of their own: forks.Mother."""
    mother = forks.Mother(tiny_base, tmp_path_factory.mktemp("commands"))
    yield mother
    mother.close()


@pytest.fixture
def glide():
    """Two seconds of a harmonic glide from 120 to 240 Hz at 22,050 Hz, and its F0 at each sample."""
    n = 44100
    f0 = 120 * 2 ** (np.arange(n) / n)
    phase = 2 * np.pi * np.cumsum(f0) / 22050
    samples = sum(np.sin(k * phase) / k for k in range(1, 20)) * 0.1
    noise = np.random.default_rng(0).normal(0, 1e-3, n)
    return (samples + noise).astype(np.float32), f0


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate that names Anna, with the one that vouches for it, and its key: two PEM files."""
    pytest.importorskip("c2pa", reason="c2pa-python is not installed: pip install voiceswap[c2pa]")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from certificates import issued

    folder = tmp_path_factory.mktemp("certificate")
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    root = issued("A studio", keys[0])
    chain = [issued("Anna", keys[1], root, keys[0]), root]
    pem = serialization.Encoding.PEM
    (folder / "chain.pem").write_bytes(b"".join(each.public_bytes(pem) for each in chain))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(keys[1].private_bytes(pem, *plain))
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    (folder / "root_key.pem").write_bytes(keys[0].private_bytes(pem, *plain))
    return folder / "chain.pem", folder / "key.pem"
