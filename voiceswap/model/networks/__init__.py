"""Networks as Keras models, with fresh weights, and nothing else: on plain Keras, which is imported here before any."""

from voiceswap.model.networks.plain_keras import keras as keras
from voiceswap.model.networks.plain_keras import plain_settings as plain_settings
