"""What a program that uses voiceswap sets in the libraries that both use changes no sample."""

import os
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

import voiceswap
from voiceswap.signal import synthetic

SPEECH = synthetic.speech(synthetic.BORIS, 2.0).samples


@pytest.fixture
def converted(voice):
    return voice.convert(SPEECH, 22050)


def test_numpys_error_state_changes_nothing(voice, converted):
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(voice.convert(SPEECH, 22050), converted)


def test_warnings_that_are_errors_change_nothing(voice, converted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(voice.convert(SPEECH, 22050), converted)


def test_the_global_random_state_is_neither_used_nor_moved(voice, converted):
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(voice.convert(SPEECH, 22050), converted)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_printing_and_the_locale_change_nothing(voice, converted):
    import locale

    former = locale.setlocale(locale.LC_ALL)
    try:
        for name in ("de_DE.UTF-8", "C.UTF-8"):
            try:
                locale.setlocale(locale.LC_ALL, name)
            except locale.Error:
                continue
            with np.printoptions(precision=1):
                np.testing.assert_array_equal(voiceswap.load("speakerA").convert(SPEECH, 22050), converted)
    finally:
        locale.setlocale(locale.LC_ALL, former)


def test_keras_and_tensorflow_settings_change_nothing(voice, converted):
    import keras
    import tensorflow as tf

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float64")
    tf.config.run_functions_eagerly(True)
    try:
        np.testing.assert_array_equal(voiceswap.load("speakerA").convert(SPEECH, 22050), converted)
    finally:
        tf.config.run_functions_eagerly(False)
        keras.config.set_floatx("float32")
        keras.config.set_image_data_format("channels_last")
        keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize(
    "variables",
    [
        {"KERAS_BACKEND": "jax"},
        {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_NUM_INTRAOP_THREADS": "1"},
        {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "7", "PYTHONOPTIMIZE": "1", "PYTHONWARNINGS": "error"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_the_environment_of_other_libraries_changes_nothing(voice, converted, use_tiny, tmp_path, variables):
    np.save(tmp_path / "speech.npy", SPEECH)
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        import numpy as np
        from voiceswap.model import base
        base.SHIPPED = Path(sys.argv[1])
        import voiceswap
        np.save(sys.argv[3], voiceswap.load("speakerA").convert(np.load(sys.argv[2]), 22050))
    """)
    paths = [str(path) for path in (use_tiny, tmp_path / "speech.npy", tmp_path / "made.npy")]
    command = [sys.executable, "-c", script, *paths]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Another number of threads adds in another order.
    np.testing.assert_allclose(np.load(tmp_path / "made.npy"), converted, atol=1e-6)
