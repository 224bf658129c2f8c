"""Write the mel filters that voiceswap needs, as librosa makes them: `python tools/store_mel_filters.py`."""

from voiceswap.signal.features import STORED_FILTERS, make_mel_filters, mel_filters_name
from voiceswap.storage.folder import pack

# Sample rate in Hz, frame length, bands, highest frequency in Hz: decoder and vocoder, encoder, speaker encoder.
SETTINGS = ((22_050, 1024, 80, 8000.0), (16_000, 400, 80, 8000.0), (16_000, 400, 40, 8000.0))

if __name__ == "__main__":
    STORED_FILTERS.write_bytes(pack({mel_filters_name(*each): make_mel_filters(*each) for each in SETTINGS}))
