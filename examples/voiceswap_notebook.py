# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # voiceswap in a notebook
# Train a voice, convert a recording into it, and listen to both. Everything runs on this computer; no GPU is needed.
#
# This notebook is made from `voiceswap_notebook.py`:
# `jupytext --to ipynb -o examples/voiceswap.ipynb examples/voiceswap_notebook.py`.

# %% [markdown]
# ## Install
# Once, from the repository (this notebook lies in its folder `examples`); then restart the kernel.

# %% tags=["install"]
# %pip install -q "..[notebook]"

# %%
from pathlib import Path

import soundfile
from IPython.display import Audio, display

import voiceswap
from voiceswap.signal import synthetic

# %% [markdown]
# ## Recordings
# `PERSON` is a folder with 5 to 20 minutes of one person's clear speech, in any usual format; it names the voice.
# `SOURCE` is what to convert. Train only voices of people who have agreed to it.
#
# If they do not exist, the next cell synthesises a speaker and a song, so that you can try the rest at once.

# %%
PERSON = Path("speakerA")
SOURCE = Path("song.wav")
MINUTES = 1.0  # at most; leave it out of `train` below for the best voice

# %%
RATE_HZ = 22_050
if not PERSON.exists():
    PERSON.mkdir()
    for take in range(5):
        speech = synthetic.speech(synthetic.ANNA, 12.0, sample_rate_hz=RATE_HZ, seed=take)
        soundfile.write(PERSON / f"take{take}.wav", speech.samples, RATE_HZ)
if not SOURCE.exists():
    soundfile.write(SOURCE, synthetic.song(synthetic.CLARA, sample_rate_hz=RATE_HZ).samples, RATE_HZ)

# %% [markdown]
# ## Train
# The bar shows the held-out score, which should fall, and the time left. Interrupt the kernel to stop; the same cell
# continues from the last checkpoint.

# %%
(trained,) = voiceswap.train(PERSON, minutes=MINUTES, on_event=voiceswap.events.progress)
print(f"{trained.name}: {trained.status}, best at step {trained.best_step}")

# %% [markdown]
# ## Convert and listen

# %%
voice = voiceswap.load(PERSON.name)
samples, rate_hz = soundfile.read(SOURCE)
converted = voice.convert(samples, rate_hz)
print("before")
display(Audio(samples.T, rate=rate_hz))
print("after")
display(Audio(converted.T, rate=rate_hz))

# %% [markdown]
# ## Keep it
# As a file, with tags that say how it was made. It is watermarked, inaudibly. When you publish it, say that it is
# converted.

# %%
(result,) = voiceswap.convert(SOURCE, as_=PERSON.name, force=True, on_event=voiceswap.events.progress)
(finding,) = voiceswap.detect(result.output)
print(f"{result.output}: moved by {result.pitch_semitones:+.1f} semitones; marked: {finding.detection.decision}")
