"""Names and places: where voices live, what they may be called, and where a result goes."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import platformdirs

from voiceswap.errors import ModelError, UsageError
from voiceswap.storage import atomic

MANIFEST = atomic.MANIFEST
MAX_NAME_CHARACTERS = 100
MAX_NAME_BYTES = 200
# Voices of older versions may have them.
RESERVED = ",="
FORBIDDEN = frozenset('/\\:*?"<>|')
DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"] + [f"{port}{i}" for port in ("com", "lpt") for i in range(10)]
)


def voices_folder(override: Path | None = None) -> Path:
    """The voices folder: `override`, else $VOICESWAP_VOICES, else in the user's data directory."""
    chosen = override or os.environ.get("VOICESWAP_VOICES")
    return Path(chosen) if chosen else platformdirs.user_data_path("voiceswap", appauthor=False) / "voices"


def cache_folder() -> Path:
    """The feature cache: $VOICESWAP_CACHE, else in the user's cache directory."""
    chosen = os.environ.get("VOICESWAP_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("voiceswap", appauthor=False)


def check_voice_name(name: str) -> str:
    """The name in Unicode's composed form, if a voice may be called so.

    Args:
        name: As the user gave it.

    Returns:
        The name to store and show.

    Raises:
        UsageError: It would be unsafe as a folder's name on some system, or deceive the eye.
    """
    name = unicodedata.normalize("NFC", name)
    if reason := _find_fault(name):
        hint = "rename the folder or recording that it comes from"
        raise UsageError(f"a voice cannot be called {name[:40]!r}: {reason}", hint)
    return name


def check_new_name(name: str) -> None:
    """Raise UsageError for a name that no new voice may have, since it means more where voices are named together."""
    if sign := next((sign for sign in RESERVED if sign in name), None):
        raise UsageError(
            f"a new voice cannot be called {name[:40]!r}: {sign!r} is for naming several voices at once",
            "rename the folder or recording that it comes from",
        )


def _find_fault(name: str) -> str:
    if not name.strip() or name in {".", ".."}:
        return "that is no name"
    if len(name) > MAX_NAME_CHARACTERS or len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_CHARACTERS} characters or {MAX_NAME_BYTES} bytes"
    for character in name:
        # Not printable are controls, bidi and other marks, surrogates, unassigned, but also wide spaces.
        visible = character.isprintable() or unicodedata.category(character) == "Zs"
        if character in FORBIDDEN or not visible:
            return f"it holds {character!r}"
    if name != name.strip() or name[0] in "-." or name[-1] == ".":
        return "it begins with a dash, dot or space, or ends with a dot or space"
    if unicodedata.normalize("NFKC", name.split(".")[0]).strip().casefold() in DEVICES:
        return "Windows keeps that name for a device"
    return ""


def voice_name_of(source: Path) -> str:
    """The voice that a folder makes (its name) or a single recording (its name without the ending)."""
    real = Path(os.path.realpath(source)) if os.path.exists(source) else source
    return check_voice_name(real.stem if os.path.isfile(real) else real.name)


def voice_path(voices: Path, name: str) -> Path:
    """Where a voice lies or will lie.

    Args:
        voices: The voices folder.
        name: The voice's name.

    Returns:
        Its folder, whether or not it exists.

    Raises:
        UsageError: An unsafe name, or one that differs from another voice's only in case or in how accents
            are stored, so that some systems would take both for one; or `voices` may not be looked into.
    """
    name = check_voice_name(name)
    for folder in (voices, run_path(voices, name).parent):
        for other in (path.name for path in list_folder(folder) if os.path.isdir(path)):
            if other != name and _fold(other) == _fold(name):
                raise UsageError(
                    f"the voice {name} cannot be distinguished from the voice {other!a} on every system",
                    "rename the folder that it comes from",
                )
    return voices / name


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", name).casefold())


def run_path(voices: Path, name: str) -> Path:
    """Where the training of a voice keeps its checkpoints; raises UsageError for an unsafe name."""
    return voices / ".runs" / check_voice_name(name)


def list_folder(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; nothing if there is no such folder.

    Args:
        folder: Not searched recursively.

    Returns:
        Paths below `folder`.

    Raises:
        UsageError: It may not be looked into.
    """
    try:
        paths = sorted(folder / name for name in os.listdir(folder))
        # Of a folder that may be listed but not entered, nothing but the names could be found out.
        os.stat(os.path.join(folder, os.curdir))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    except OSError as error:
        raise UsageError(
            f"cannot look into {folder}: {(error.strerror or str(error)).lower()}",
            "give another folder, or make this one readable",
        ) from error
    return paths


def list_voices(voices: Path) -> list[str]:
    """The names of the voices in a voices folder, sorted; none if there is no such folder.

    Args:
        voices: The voices folder.

    Returns:
        Names that a voice may have.

    Raises:
        UsageError: It may not be looked into.
    """
    if not list_folder(voices):
        return []
    atomic.recover_all(voices)
    return sorted(path.name for path in list_folder(voices) if _is_voice(path) and not _find_fault(path.name))


def find_voice(name_or_folder: str | Path, voices: Path) -> Path:
    """The folder of a voice that exists.

    Args:
        name_or_folder: A voice's name, or the path of its folder. A name of both is taken for the voice's.
        voices: The voices folder.

    Returns:
        The folder; what is in it is not looked at.

    Raises:
        ModelError: There is no such voice; the hint lists those that there are.
        UsageError: `voices` may not be looked into.
    """
    given = text = os.fspath(name_or_folder)
    # A shell completes the name of a voice to that of a folder beside it: anna/.
    if not _is_voice(Path(text)) and len(Path(text).parts) == 1:
        name_or_folder = text = text.rstrip(f"{os.sep}/") or text
    # Path("./anna") would forget the dot that makes it a path.
    is_path = isinstance(name_or_folder, Path) or any(separator in text for separator in {os.sep, "/"})
    if is_path and _is_voice(Path(text)):
        return Path(text)
    known = list_voices(voices)
    if not is_path:
        name = unicodedata.normalize("NFC", text)
        # A folder copied from another system may carry the same name in decomposed form.
        stored = {unicodedata.normalize("NFC", voice): voice for voice in known}.get(name, name)
        if not _find_fault(name) and atomic.exists(voices / stored):
            return voices / stored
    if text and _is_voice(Path(text)):
        return Path(text)
    if not is_path:
        _tell_first_training(voices, text)
    hint = f"voices here: {', '.join(known[:8])}" if known else "train one: voiceswap train FOLDER"
    where = "" if is_path else f" in {voices}"
    raise ModelError(f"no voice {given[:80]!r}{where}", hint)


def _tell_first_training(voices: Path, name: str) -> None:
    """Raise ModelError for a name whose first training has begun but not ended."""
    if _find_fault(name) or not os.path.isdir(run := run_path(voices, name)):
        return
    if atomic.is_held(lock_path(run)):
        raise ModelError(f"the voice {name} is being trained: it is not ready yet", "wait until its training has ended")
    raise ModelError(
        f"the voice {name} is not ready: its first training was stopped",
        "the same command that began it goes on: voiceswap train FOLDER",
    )


def lock_path(run_folder: Path) -> Path:
    """The lock that is held while the training of `run_path` goes on."""
    return run_folder.parent / f".{run_folder.name}.lock"


def _is_voice(path: Path) -> bool:
    # os.path, since Path.is_file raises on a name that is too long.
    return os.path.isfile(path / MANIFEST)
