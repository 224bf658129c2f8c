"""Synthetic speakers: a small formant voice that talks in made-up syllables and sings.

Pulses of a Rosenberg-shaped glottal flow and breath noise pass through a cascade of resonators that move
every 5 ms (Klatt, JASA 67, 1980); hiss and bursts of consonants are shaped noise beside it. The true F0 is
known, and the same seed gives the same bytes. The same seed also gives two speakers the same syllables at the
same times: parallel recordings.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, resample_poly, sosfilt

from voiceswap.arrays import db_to_gain, db_to_power
from voiceswap.signal.phonemes import CODAS, CONSONANTS, SHORT_VOWELS, SOUNDS, STEPS, VOWELS, Consonant

Floats = NDArray[np.float64]
Note = tuple[float, float, str]
Random = np.random.Generator

FRAME_S = 0.005
_RATE_HZ = 48000  # of the synthesis: far above the formants, so that pulses do not alias into them
_HOP_SAMPLES = round(_RATE_HZ * FRAME_S)
_PEAK = 0.5
_ROOM_DB = -60.0
_VIBRATO_HZ = 5.5
_VIBRATO_CENTS = 40.0
_FORMANT_WIDTHS_HZ = np.array([70.0, 90.0, 140.0, 200.0, 280.0])
# Above F5 these keep the slope of a real tract; a cascade that stops at F5 sounds like a telephone.
_HIGH_FORMANTS_HZ = np.array([5500.0, 6500.0, 7600.0])
_HIGH_WIDTHS_HZ = np.array([400.0, 500.0, 700.0])

_MELODY: tuple[Note, ...] = (
    (0, 0.5, "la"),
    (2, 0.5, "ra"),
    (4, 0.75, "mi"),
    (5, 0.25, "na"),
    (7, 1.0, "lo"),
    (0, 0.25, ""),
    (9, 0.5, "sa"),
    (7, 0.5, "fu"),
    (5, 0.5, "mo"),
    (4, 0.75, "de"),
    (2, 0.5, "va"),
    (4, 0.5, "li"),
    (-1, 0.5, "ni"),
    (0, 1.5, "no"),
)


@dataclass(frozen=True)
class Speaker:
    """One synthetic person.

    Attributes:
        name: Who it is; two names with the same figures still differ in their noise.
        pitch_hz: Middle of the speaking voice, 60 to 400 Hz.
        tract: Scale of all formants: 1.0 a man's vocal tract, 1.17 a woman's, up to 1.4 a child's.
        breath: Strength of the breath noise in vowels, against that of the glottal pulses (0.01 to 0.3).
        tilt_db: How much weaker than a hard voice's the pulses are at 3 kHz (0 bright, 15 soft), in dB.
        open_quotient: Part of each glottal cycle in which the folds are open (0.4 pressed to 0.8 lax).
    """

    name: str
    pitch_hz: float
    tract: float = 1.0
    breath: float = 0.04
    tilt_db: float = 5.0
    open_quotient: float = 0.6


ANNA = Speaker("anna", pitch_hz=210.0, tract=1.17, breath=0.06, tilt_db=8.0, open_quotient=0.7)
BORIS = Speaker("boris", pitch_hz=110.0, tract=0.97, breath=0.03, tilt_db=4.0, open_quotient=0.55)
CLARA = Speaker("clara", pitch_hz=175.0, tract=1.09, breath=0.04, tilt_db=2.0, open_quotient=0.6)  # she sings


@dataclass(frozen=True)
class Utterance:
    """What a synthetic speaker said or sang, and what is known of it.

    Attributes:
        samples: The sound, (n_samples,) float32, peak about 0.5, over room noise of -60 dBFS.
        sample_rate_hz: Its sample rate.
        f0_hz: The true F0 at 0, 5, 10 ... ms, (n_frames,) float32; 0.0 where the folds do not vibrate.
        syllables: What was said, one string a syllable, such as "tey" or "lan".
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    f0_hz: NDArray[np.float32]
    syllables: tuple[str, ...]


class _Segment(NamedTuple):
    """A piece of sound with one target; amplitudes are 1.0 in a vowel."""

    duration_s: float
    formants_hz: tuple[float, ...]
    voice: float = 0.0
    breath: float = 0.0
    nasal: float = 0.0
    hiss: Consonant | None = None


class _Phrase(NamedTuple):
    """Segments that start at a frame of 5 ms, with one F0 a frame."""

    first_frame: int
    syllables: list[str]
    segments: list[_Segment]
    f0_hz: Floats


def speech(speaker: Speaker, duration_s: float, *, sample_rate_hz: int = 22050, seed: int = 0) -> Utterance:
    """Lets a speaker talk in made-up syllables: phrases of 2 to 5 s, pauses of 0.3 to 0.6 s.

    Args:
        speaker: Who talks.
        duration_s: How long, at least 0.1 s.
        sample_rate_hz: Sample rate wanted, 8000 to 192000 Hz.
        seed: Chooses syllables, timing and melody (alike for all speakers) and the noise; not negative.

    Returns:
        round(duration_s * sample_rate_hz) samples and their true F0.

    Raises:
        ValueError: If the duration or the sample rate is out of range.

    Example:
        >>> anna = speech(ANNA, 2.0, seed=1)
        >>> anna.samples.shape, anna.f0_hz.shape
        ((44100,), (401,))
    """
    if not 0.1 <= duration_s < math.inf:
        raise ValueError(f"duration_s is {duration_s}; at least 0.1 is wanted")
    random = np.random.default_rng(seed)
    onsets: list[str] = []
    phrases: list[_Phrase] = []
    first_frame = 0
    n_frames = round(duration_s / FRAME_S)
    while first_frame < n_frames:
        left_s = (n_frames - first_frame) * FRAME_S
        # A phrase either takes all that is left or leaves room for a pause and a phrase of 2 s.
        phrase_s = left_s if left_s <= 5.0 else random.uniform(2.0, min(5.0, left_s - 2.6))
        phrases.append(_make_phrase(random, onsets, first_frame, phrase_s, speaker.pitch_hz))
        first_frame += len(phrases[-1].f0_hz) + round(random.uniform(0.3, 0.6) / FRAME_S)
    return _render_utterance(speaker, duration_s, sample_rate_hz, seed, phrases)


def song(
    speaker: Speaker, notes: Sequence[Note] | None = None, *, sample_rate_hz: int = 22050, seed: int = 0
) -> Utterance:
    """Lets a speaker sing legato, with a vibrato of 5.5 Hz, 40 cents either way, on notes longer than 0.2 s.

    Args:
        speaker: Who sings.
        notes: (MIDI number, duration in s, syllable) one after another, such as (60, 0.5, "la"); an empty
            syllable is a rest. By default a melody of 8.5 s, 1 to 11 semitones above the speaking pitch.
        sample_rate_hz: Sample rate wanted, 8000 to 192000 Hz.
        seed: Chooses the noise; the melody is as written.

    Returns:
        The song between 0.2 s of room noise before and after, and its true F0.

    Raises:
        ValueError: If there is no note, or a pitch, a duration, a syllable or the sample rate makes no sense.
    """
    if notes is None:
        tonic = round(69 + 12 * math.log2(speaker.pitch_hz / 440)) + 2
        notes = [(tonic + step, duration_s, syllable) for step, duration_s, syllable in _MELODY]
    notes = [(0, 0.2, ""), *notes, (0, 0.2, "")]
    sung = [note for note in notes if note[2]]
    if not sung:
        raise ValueError("notes holds no note to sing")
    segments: list[_Segment] = []
    first_frames: list[int] = []
    pitches: list[float] = []
    pitch = sung[0][0]
    for midi, duration_s, syllable in notes:
        if not (0.05 <= duration_s < math.inf and (not syllable or 24 <= midi <= 96)):
            raise ValueError(f"{(midi, duration_s, syllable)} is no note: MIDI 24 to 96, at least 0.05 s")
        # The voice stays on its pitch in a rest, where nobody hears it, and glides from there.
        pitch = midi if syllable else pitch
        first_frames.append(int(_count_frames(segments).sum()))
        pitches.append(pitch)
        segments += _stretch_syllable(syllable, duration_s) if syllable else [_Segment(duration_s, VOWELS["ah"])]
    frames = np.arange(_count_frames(segments).sum())
    note_index = np.searchsorted(first_frames, frames, side="right") - 1
    into_note_s = (frames - np.array(first_frames)[note_index]) * FRAME_S
    depth_semitones = _VIBRATO_CENTS / 100 * _smooth(np.clip((into_note_s - 0.2) / 0.25, 0.0, 1.0), 0.05)
    semitones = _smooth(np.array(pitches)[note_index], 0.1)
    semitones += depth_semitones * np.sin(2 * np.pi * _VIBRATO_HZ * frames * FRAME_S)
    phrase = _Phrase(0, [note[2] for note in sung], segments, 440.0 * 2.0 ** ((semitones - 69) / 12))
    return _render_utterance(speaker, len(frames) * FRAME_S, sample_rate_hz, seed, [phrase])


def _make_syllable(text: str, vowel_s: float) -> list[_Segment]:
    """Targets of a syllable whose vowel lasts `vowel_s`."""
    names = [SHORT_VOWELS.get(name, name) for name in SOUNDS.findall(text)]
    vowels = [i for i, name in enumerate(names) if name in VOWELS]
    if "".join(SOUNDS.findall(text)) != text or len(vowels) != 1:
        raise ValueError(f"{text!r} is no syllable: one vowel and known consonants are wanted, as in 'shan'")
    (vowel,) = vowels
    vowel_hz = VOWELS[names[vowel]]
    onset = [segment for name in names[:vowel] for segment in _make_consonant(CONSONANTS[name], vowel_hz)]
    coda = [segment for name in names[vowel + 1 :] for segment in _make_consonant(CONSONANTS[name], vowel_hz)]
    return [*onset, _Segment(vowel_s, vowel_hz, voice=1.0), *coda]


def _make_consonant(consonant: Consonant, vowel_hz: tuple[float, ...]) -> list[_Segment]:
    """A consonant as silence, hiss, breath and voice in turn, aiming at the vowel beside it."""
    f1_hz, *others_hz = (*consonant.formants_hz, 3500, 4500)
    # The tongue anticipates the vowel, F1 (how open the mouth is) does not.
    target_hz = (f1_hz, *(0.75 * own + 0.25 * near for own, near in zip(others_hz, vowel_hz[1:], strict=True)))
    return [
        _Segment(step_s, vowel_hz if breath else target_hz, voice, breath, nasal, consonant if hisses else None)
        for step_s, voice, breath, nasal, hisses in STEPS[consonant.kind]
    ]


def _stretch_syllable(syllable: str, duration_s: float) -> list[_Segment]:
    """Targets of a syllable held for a whole note: consonants take 40 % of it at most, the vowel the rest."""
    spoken_s = sum(segment.duration_s for segment in _make_syllable(syllable, 0.0))
    squeeze = min(1.0, 0.4 * duration_s / spoken_s) if spoken_s else 1.0
    segments = _make_syllable(syllable, (duration_s - spoken_s * squeeze) / squeeze)
    return [segment._replace(duration_s=segment.duration_s * squeeze) for segment in segments]


def _make_phrase(random: Random, onsets: list[str], first_frame: int, phrase_s: float, pitch_hz: float) -> _Phrase:
    """Made-up syllables that fill a phrase, on a pitch that falls, with accents."""
    syllables: list[str] = []
    accents: list[tuple[float, float]] = []
    silent_s = total_s = 0.06
    segments = [_Segment(silent_s, VOWELS["ah"])]
    while True:
        if not onsets:  # every consonant has its turn before one comes again
            onsets += random.permutation(["", *CONSONANTS]).tolist()
        vowel = random.choice(list(VOWELS))
        coda = random.choice(CODAS) if random.random() < 0.3 else ""
        text = f"{onsets.pop()}{vowel}{coda}"
        accented = random.random() < 0.4
        syllable = _make_syllable(text, random.uniform(0.09, 0.14) * (1.4 if accented else 1.0))
        syllable_s = sum(segment.duration_s for segment in syllable)
        if syllables and total_s + syllable_s + silent_s > phrase_s:
            break
        if accented:
            accents.append((total_s + 0.6 * syllable_s, random.uniform(1.5, 4.0)))
        syllables.append(text)
        segments += syllable
        total_s += syllable_s
    segments.append(_Segment(silent_s, segments[-1].formants_hz))
    stretch = phrase_s / (total_s + silent_s)
    segments = [segment._replace(duration_s=stretch * segment.duration_s) for segment in segments]
    at_s = np.arange(_count_frames(segments).sum()) * FRAME_S
    semitones = 1.5 - 4.5 * at_s / phrase_s + 0.15 * np.sin(2 * np.pi * (2.3 * at_s + random.random()))
    for accent_s, accent_semitones in accents:
        semitones += accent_semitones * np.exp(-0.5 * ((at_s - stretch * accent_s) / 0.09) ** 2)
    # Lower than this, voices begin to creak, which F0 trackers do not follow.
    return _Phrase(first_frame, syllables, segments, pitch_hz * 2.0 ** (np.maximum(semitones, -4.0) / 12))


def _render_utterance(
    speaker: Speaker, duration_s: float, rate_hz: int, seed: int, phrases: list[_Phrase]
) -> Utterance:
    """Renders phrases one by one, to save memory, and adds the noise of the room."""
    if not 8000 <= rate_hz <= 192000:
        raise ValueError(f"sample_rate_hz is {rate_hz}; 8000 to 192000 is wanted")
    noise = np.random.default_rng([seed, zlib.crc32(speaker.name.encode())])
    samples = np.zeros(round(duration_s * rate_hz), np.float32)
    f0_hz = np.zeros(int(1000 * len(samples) / rate_hz / 5) + 1, np.float32)  # as WORLD counts frames
    divisor_hz = math.gcd(_RATE_HZ, rate_hz)
    for phrase in phrases:
        sound, voiced = _render_phrase(speaker, phrase, noise)
        sound = resample_poly(sound, rate_hz // divisor_hz, _RATE_HZ // divisor_hz)
        phrase_samples = samples[round(phrase.first_frame * FRAME_S * rate_hz) :][: len(sound)]
        phrase_samples += sound[: len(phrase_samples)].astype(np.float32)
        phrase_f0_hz = f0_hz[phrase.first_frame :][: len(voiced)]
        phrase_f0_hz[:] = np.where(voiced, phrase.f0_hz, 0.0)[: len(phrase_f0_hz)]
    samples *= np.float32(_PEAK / np.abs(samples).max())
    samples += np.float32(db_to_gain(_ROOM_DB)) * noise.standard_normal(len(samples), np.float32)
    syllables = tuple(syllable for phrase in phrases for syllable in phrase.syllables)
    return Utterance(samples, rate_hz, f0_hz, syllables)


def _render_phrase(speaker: Speaker, phrase: _Phrase, noise: Random) -> tuple[Floats, NDArray[np.bool_]]:
    """Sound of a phrase at 48 kHz, its vowels at an rms of 1, and whether each frame is voiced."""
    segments = phrase.segments
    f0_hz = phrase.f0_hz
    n_frames = len(f0_hz)
    counts = _count_frames(segments)
    targets = np.array([(s.voice, s.breath, s.nasal, *s.formants_hz) for s in segments])
    tracks = np.repeat(targets, counts, axis=0).T
    voice = _smooth(tracks[0], 0.03)
    breath = _smooth(tracks[1], 0.02)
    nasal = _smooth(tracks[2], 0.03)
    formants = [_smooth(track, 0.075) * speaker.tract for track in tracks[3:]]
    formants[0] = np.maximum(formants[0], 1.05 * f0_hz)  # as singers do; an F1 under F0 sounds dull
    widths = [np.full(n_frames, width) for width in _FORMANT_WIDTHS_HZ * speaker.tract]
    widths[0] = widths[0] * (1 + 2 * np.clip(breath - voice, 0, 1))  # an open glottis damps F1
    frames = np.arange(n_frames)
    positions = np.arange(n_frames * _HOP_SAMPLES) / _HOP_SAMPLES  # of samples, in frames
    pulses, opening = _make_pulses(speaker, np.interp(positions, frames, f0_hz), noise)
    voice_gain = np.interp(positions, frames, voice)
    airflow = speaker.breath * voice_gain * (0.3 + 0.7 * opening) + 0.12 * np.interp(positions, frames, breath)
    source = pulses * voice_gain + airflow * noise.standard_normal(len(pulses))

    # The nose is a pole that its zero cancels in oral sounds (Klatt's FNP and FNZ).
    zero = _design_resonators(speaker.tract * (270 + 180 * nasal), np.full(n_frames, 100.0))
    pole = _design_resonators(np.full(n_frames, 270 * speaker.tract), np.full(n_frames, 100.0))
    nose = np.hstack([zero[:, 3:] * (pole[:, :1] / zero[:, :1]), pole[:, 3:]])
    cascade = np.stack([nose, *map(_design_resonators, formants, widths)], axis=1)  # (n_frames, 6, 6)
    sound = np.empty_like(source)
    state = np.zeros((6, 2))
    for frame, sections in enumerate(cascade):
        span = slice(frame * _HOP_SAMPLES, (frame + 1) * _HOP_SAMPLES)
        sound[span], state = sosfilt(sections, source[span], zi=state)
    sound = sosfilt(_design_resonators(_HIGH_FORMANTS_HZ * speaker.tract, _HIGH_WIDTHS_HZ), sound)
    sound /= np.sqrt(np.mean(sound[np.repeat(voice > 0.7 * voice.max(), _HOP_SAMPLES)] ** 2))

    for segment, start, count in zip(segments, np.cumsum(counts) - counts, counts, strict=True):
        if segment.hiss and count:
            span = slice(start * _HOP_SAMPLES, (start + count) * _HOP_SAMPLES)
            sound[span] += _make_hiss(segment.hiss, count * _HOP_SAMPLES, speaker.tract, noise)
    return sound, voice > 0.1


def _make_pulses(speaker: Speaker, f0_hz: Floats, noise: Random) -> tuple[Floats, Floats]:
    """Derivative of the glottal flow with an rms near 1, and how open the glottis is (0 to 1), at 48 kHz."""
    phase = np.cumsum(f0_hz) / _RATE_HZ
    cycles = np.arange(int(phase[-1]) + 3)
    # Jitter of 0.5 % and shimmer of 0.2 dB, as in healthy voices.
    phase += 0.5 + np.interp(phase, cycles, 0.0035 * noise.standard_normal(len(cycles)))
    cycle = phase.astype(int)
    open_phase = np.minimum((phase - cycle) / speaker.open_quotient, 1.0)
    # Rosenberg's polynomial as in KLGLOTT88: rises slowly, closes at once. Differences of the flow alias less
    # than samples of its derivative, as they average over a sample.
    opening = 6.75 * open_phase**2 * (1 - open_phase)
    flow = opening * (1 + 0.025 * noise.standard_normal(len(cycles)))[cycle]
    scale = _RATE_HZ / speaker.pitch_hz * math.sqrt(speaker.open_quotient) / 2.46  # makes the rms 1
    power = db_to_power(-speaker.tilt_db)
    # The pole of a one-pole low-pass that leaves `power` at 3 kHz.
    cosine_term = 1 - power * math.cos(2 * math.pi * 3000 / _RATE_HZ)
    pole = (cosine_term - math.sqrt(cosine_term**2 - (1 - power) ** 2)) / (1 - power) if power < 1 else 0.0
    pulses: Floats = lfilter([scale * (1 - pole)], [1.0, -pole], np.diff(flow, prepend=flow[0]))
    return pulses, opening


def _design_resonators(centre_hz: Floats, width_hz: Floats) -> Floats:
    """Second-order sections (n, 6) of resonances with a gain of 1 at 0 Hz."""
    radius = np.exp(-np.pi * width_hz / _RATE_HZ)
    a1, a2 = -2 * radius * np.cos(2 * np.pi * centre_hz / _RATE_HZ), radius**2
    return np.stack([1 + a1 + a2, 0 * a1, 0 * a1, 1 + 0 * a1, a1, a2], axis=-1)


def _make_hiss(consonant: Consonant, n_samples: int, tract: float, noise: Random) -> Floats:
    """Noise of a narrow passage: two equal band-passes; a burst starts at once, a fricative swells."""
    band = _design_resonators(np.array([consonant.hiss_hz * tract]), np.array([consonant.hiss_width_hz * tract]))
    band[:, :3] = (1, 0, -1)
    hiss: Floats = sosfilt(np.repeat(band, 2, axis=0), noise.standard_normal(n_samples))
    hiss *= db_to_gain(consonant.hiss_db) / np.sqrt(np.mean(hiss**2))
    attack_s, release_s = (0.03, 0.03) if n_samples > 0.03 * _RATE_HZ else (0.001, 0.01)
    at_s = np.arange(n_samples) / _RATE_HZ
    hiss *= np.clip(np.minimum(at_s / attack_s, at_s[::-1] / release_s), 0.0, 1.0)
    return hiss


def _count_frames(segments: Sequence[_Segment]) -> NDArray[np.int_]:
    """How many frames each segment takes; rounding does not add up."""
    ends = np.cumsum([segment.duration_s for segment in segments]) / FRAME_S
    return np.diff(np.round(ends).astype(int), prepend=0)


def _smooth(values: Floats, duration_s: float) -> Floats:
    """Moves from target to target within about `duration_s`, as the tongue does."""
    half = round(duration_s / FRAME_S / 2) + 1
    window = np.hanning(2 * half + 1)
    smoothed: Floats = np.convolve(np.pad(values, half, mode="edge"), window / window.sum(), mode="valid")
    return smoothed
