"""Long files, many files, many threads (R16, R17, R32, R33)."""

import json
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import soundfile

import voiceswap
from voiceswap.audio.source import array_source
from voiceswap.conversion.analysis import analyse
from voiceswap.conversion.engine import Settings
from voiceswap.conversion.stream import convert_stream
from voiceswap.conversion.windows import Grid
from voiceswap.signal import synthetic

MEASURED = textwrap.dedent(
    """
    import json, os, resource, sys, threading, time
    from pathlib import Path
    from voiceswap.model import base
    base.SHIPPED = Path(sys.argv[1])
    import voiceswap
    from voiceswap.events import Progress

    def resident_kb(pid="self"):
        with open(f"/proc/{pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    marks, began = {}, time.monotonic()
    def report(event):
        if isinstance(event, Progress) and event.n_steps:
            marks.setdefault((event.stage, int(10 * event.step / event.n_steps)), resident_kb())

    def watch():
        while True:
            peak[0] = max(peak[0], resident_kb())
            time.sleep(0.1)
    peak = [0]
    threading.Thread(target=watch, daemon=True).start()
    """
)
CONVERT = MEASURED + textwrap.dedent(
    """
    (made,) = voiceswap.convert(sys.argv[2], as_="speakerA", out=sys.argv[3], mode="dry", on_event=report)
    told = {f"{stage} {tenth}": kb for (stage, tenth), kb in marks.items()}
    took_s = time.monotonic() - began
    print(json.dumps({"peak_kb": peak[0], "marks": told, "took_s": took_s, "duration_s": made.duration_s}))
    """
)
TRAIN = MEASURED + textwrap.dedent(
    """
    voiceswap.train(sys.argv[2], voices=sys.argv[3], on_event=report)
    print(json.dumps({"peak_kb": peak[0], "took_s": time.monotonic() - began}))
    """
)


def measured(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def long_recording(path, duration_s, rate, every_s=60.0):
    """Mostly silence, with a second of speech every minute; the silence of a WAV takes no room on the disk."""
    spoken = synthetic.speech(synthetic.ANNA, 1.0, sample_rate_hz=rate, seed=1).samples
    spoken = (spoken * 32767).astype("<i2")
    n = round(duration_s * rate)
    if path.suffix == ".wav":
        soundfile.write(path, np.zeros(0), rate, subtype="PCM_16", format="RF64" if 2 * n > 4e9 else "WAV")
        header = bytearray(path.read_bytes()[:44])
        header[4:8], header[40:44] = (2 * n + 36).to_bytes(4, "little"), (2 * n).to_bytes(4, "little")
        with path.open("wb") as file:
            file.write(header)
            for second in np.arange(0, duration_s - 1, every_s):
                file.seek(44 + 2 * round(second * rate))
                file.write(spoken.tobytes())
            file.truncate(44 + 2 * n)
    else:
        block = np.zeros(round(every_s * rate), np.int16)
        block[: len(spoken)] = spoken
        with soundfile.SoundFile(path, "w", rate, 1, subtype="PCM_16") as file:
            for first in range(0, n, len(block)):
                file.write(block[: n - first])
    return n


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_r16_a_long_file_takes_the_memory_of_a_short_one(suffix, voice, home, use_tiny, tier):
    peaks = {}
    long_s = tier(0, 2 * 3600, 10 * 3600 if suffix == ".wav" else 8 * 3600)
    for name, duration_s in (("short", long_s / 10), ("long", long_s)):
        source, output = home / f"{name}{suffix}", home / f"{name}-out.wav"
        n = long_recording(source, duration_s, 44_100)
        found = measured(CONVERT, use_tiny, source, output)
        print(name, suffix, found)
        peaks[name] = found["peak_kb"]
        assert soundfile.info(output).frames == n
        output.unlink()
    assert peaks["long"] < 1.5 * 2**20
    assert peaks["long"] - peaks["short"] < 64 * 1024


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_r16_features_of_a_long_file_take_the_memory_of_a_short_one(home, use_tiny, tmp_path, monkeypatch, tier):
    monkeypatch.setenv("VOICESWAP_CACHE", str(tmp_path / "cold"))
    peaks = {}
    for name, duration_s in (("short", 3600), ("long", tier(0, 3, 10) * 3600)):
        source = home / f"{name}.wav"
        # As much speech in either, or its features would be measured.
        long_recording(source, duration_s, 44_100, every_s=duration_s / 60)
        peaks[name] = measured(TRAIN, use_tiny, source, home / "voices")["peak_kb"]
        print(name, peaks[name])
    assert peaks["long"] - peaks["short"] < 64 * 1024


def test_r17_blocks_of_any_size_give_the_same(voice):
    spoken = np.concatenate([synthetic.speech(synthetic.BORIS, 8.0, seed=s).samples for s in range(2)])
    samples = spoken.astype(np.float32)[:, None]
    found = analyse(array_source(samples, 22_050), voice.config)
    shaping = Settings()

    def made(block_s):
        source = array_source(samples, 22_050, round(block_s * 22_050))
        assert np.array_equal(analyse(source, voice.config).f0_hz, found.f0_hz)
        return np.concatenate(list(convert_stream(source, found, voice.engine, shaping)))

    whole = made(30)
    for block_s in (5, 10):
        np.testing.assert_allclose(made(block_s), whole, atol=1e-3)


def test_r17_no_window_is_louder_or_softer_at_its_seams(voice):
    n = 22_050 * 22
    phase = 2 * np.pi * 150 * np.arange(n) / 22_050
    steady = sum(np.sin(k * phase) / k for k in range(1, 20)) * 0.1
    steady = (steady + np.random.default_rng(0).normal(0, 1e-3, n)).astype(np.float32)
    made = voice.convert(steady, 22_050, pitch_semitones=0, mark=False)

    def level_db(at_s, width_s):
        part = made[round((at_s - width_s) * 22_050) : round((at_s + width_s) * 22_050)]
        return 10 * np.log10(np.square(part, dtype=np.float64).mean())

    grid = Grid.of(voice.config)
    core_s = grid.core_frames / voice.config.features.frames_per_s
    seams = np.arange(core_s, 21, core_s)
    assert len(seams) >= 3
    for seam in seams:
        assert abs(level_db(seam, 0.05) - level_db(seam, 0.5)) < 1


def test_r32_eight_threads_with_one_voice_give_what_one_gives(voice):
    draw = np.random.default_rng(0)
    sources = [draw.normal(0, 0.1, 8000 + 100 * i).astype(np.float32) for i in range(8)]
    fresh = voiceswap.load(voice.path)
    made = {}

    def convert(i):
        made[i] = fresh.convert(sources[i], 22_050)

    threads = [threading.Thread(target=convert, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, source in enumerate(sources):
        np.testing.assert_array_equal(made[i], voice.convert(source, 22_050))


CACHE = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import numpy as np
    from safetensors.numpy import load, save
    from voiceswap.storage import atomic
    entry, n, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for i in range(n):
        value = seed * 1000 + i % 1000
        atomic.write_bytes(entry, save({"a": np.full(3000, value, np.int64)}))
        found = load(entry.read_bytes())["a"]
        assert found.shape == (3000,) and (found == found[0]).all()
    """
)


@pytest.mark.timeout(0)
def test_r32_four_processes_share_a_cache_entry(tmp_path, tier):
    entry, n = tmp_path / "entry.safetensors", tier(400, 10_000) // 4
    commands = [[sys.executable, "-c", CACHE, str(entry), str(n), str(seed)] for seed in range(4)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    for process in processes:
        _, err = process.communicate()
        assert process.returncode == 0, err
    assert os.listdir(tmp_path) == ["entry.safetensors"]


LEAK = textwrap.dedent(
    """
    import gc, json, os, sys
    from pathlib import Path
    from voiceswap.model import base
    base.SHIPPED = Path(sys.argv[1])
    import voiceswap
    n, warm = int(sys.argv[3]), int(sys.argv[4])

    def state():
        gc.collect()
        with open("/proc/self/status") as file:
            kb = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        from voiceswap.audio import decoder_process as child
        pid = child._get_server(os.getpid())._process.pid
        return kb, len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{pid}/fd"))

    states = []
    for i in range(n):
        voiceswap.convert(sys.argv[2], as_="speakerA", mode="dry", force=True)
        if i + 1 in (warm, n):
            states.append(state())
    print(json.dumps(states))
    """
)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_r33_many_conversions_leak_neither_memory_nor_files(voice, home, use_tiny):
    source = home / "b.wav"
    soundfile.write(source, synthetic.speech(synthetic.BORIS, 2.0, seed=3).samples, 22_050)
    n, warm = 500, 50
    (first_kb, *first_files), (last_kb, *last_files) = measured(LEAK, use_tiny, source, n, warm)
    print(f"{n} conversions: {(last_kb - first_kb) / 1024:.1f} MiB after {warm}")
    assert last_kb - first_kb < 20 * 1024
    assert last_files == first_files
