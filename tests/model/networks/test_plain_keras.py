"""Keras is TensorFlow's, and as it comes, whatever a host program, its environment or keras.json say."""

import json
import os
import subprocess
import sys

import keras
import pytest

from voiceswap.model.networks import plain_keras


def settings():
    config = keras.config
    return config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy().name


def test_settings_are_plain_for_a_while_and_then_as_they_were():
    plain = settings()
    keras.config.set_floatx("float16")
    keras.config.set_epsilon(1e-3)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    theirs = settings()
    try:
        with plain_keras.plain_settings():
            assert settings() == plain
        assert settings() == theirs
        with pytest.raises(ZeroDivisionError), plain_keras.plain_settings():
            raise ZeroDivisionError
        assert settings() == theirs
    finally:
        keras.config.set_dtype_policy("float32")
        plain_keras._set(*plain[:3])
    assert settings() == plain == ("float32", 1e-7, "channels_last", "float32")


def run(code, **env):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=False)


def test_another_backend_in_the_environment_or_in_keras_json_changes_nothing(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax", "floatx": "float16"}))
    code = "import os; from voiceswap.model.networks import keras; "
    code += "print(keras.config.backend(), os.environ.get('KERAS_BACKEND'))"
    assert run(code, KERAS_BACKEND="jax", KERAS_HOME=str(tmp_path)).stdout == "tensorflow jax\n"
    unset = f"import os; os.environ.pop('KERAS_BACKEND', None); {code}"
    assert run(unset, KERAS_HOME=str(tmp_path)).stdout == "tensorflow None\n"


def test_a_program_that_has_keras_on_another_backend_is_told_in_one_line():
    code = (
        "import sys, types\n"
        "sys.modules['keras'] = types.SimpleNamespace(config=types.SimpleNamespace(backend=lambda: 'jax'))\n"
        "from voiceswap.errors import VoiceswapError\n"
        "try:\n    import voiceswap.model.networks\n"
        "except VoiceswapError as error:\n    print(error.message, '|', error.hint, '|', error.exit_code)\n"
    )
    assert run(code).stdout == (
        "Keras runs on jax in this process, voiceswap trains on tensorflow | train in a process of its own | 2\n"
    )
