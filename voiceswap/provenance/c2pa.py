"""Content Credentials (C2PA): results signed with the user's own certificate, and what is found in a file. Offline."""

from __future__ import annotations

import io
import json
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceswap.errors import UsageError, WriteError
from voiceswap.provenance.record import SOURCE_TYPE, Record

FORMATS = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg"}
# By what a file holds, in soundfile's names: it may be called anything.
KINDS = {"WAV": FORMATS[".wav"], "WAVEX": FORMATS[".wav"], "FLAC": FORMATS[".flac"], "MP3": FORMATS[".mp3"]}
SETTINGS = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": True},
    # Nothing is fetched; and what c2pa holds of a file goes to the disk early: it still takes twice the file's size.
    "core": {"allowed_network_hosts": [], "backing_store_memory_threshold_in_mb": 16},
}
MAX_PEM_BYTES = 1 << 20
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
# Whether a signer is to be trusted is for people to say: no list of authorities is consulted.
UNKNOWN_SIGNER = "signingCredential.untrusted"
TOOL = 'pip install "voiceswap[c2pa]"'
Certificate = tuple[str | Path, str | Path]


@dataclass(frozen=True)
class Credentials:
    """The Content Credentials of a file.

    Attributes:
        state: "valid" (the file is as it was signed), "broken" (it is not) or "unlooked" (c2pa is not installed).
        signer: Whom the certificate names, in its own words; anyone can make a certificate of any name.
        problems: What is broken, in C2PA's codes.
    """

    state: str
    signer: str = ""
    problems: tuple[str, ...] = ()


class Signer:
    """Signs results.

    Args:
        certificate: PEM files: the certificate with those that vouch for it, and its private key without a password.

    Raises:
        UsageError: c2pa is not installed, a file is missing or of no use, or they do not belong together.
    """

    def __init__(self, certificate: Certificate) -> None:
        try:
            import c2pa
            from cryptography import x509
            from cryptography.exceptions import UnsupportedAlgorithm
            from cryptography.hazmat.primitives import serialization
        except ImportError as error:
            raise UsageError("`c2pa` needs a package that is not installed", TOOL) from error
        self._c2pa = c2pa
        chain_path, key_path = map(Path, certificate)
        chain, key = _read_pem(chain_path), _read_pem(key_path)
        try:
            private = serialization.load_pem_private_key(key, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            hint = "wanted a private key in PEM form, without a password"
            raise UsageError(f"{key_path} cannot be used: {str(error)[:120]}", hint) from error
        try:
            public = x509.load_pem_x509_certificates(chain)[0].public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            hint = "wanted a certificate in PEM form, then those that vouch for it"
            raise UsageError(f"{chain_path} cannot be used: {str(error)[:120]}", hint) from error
        if public != private.public_key():
            raise UsageError(f"{key_path} is not the key of {chain_path}", "name the certificate first, then its key")
        kind = type(private).__name__.lower()
        curve = getattr(getattr(private, "curve", None), "name", "")
        algorithm = CURVES.get(curve) or ("ed25519" if "ed25519" in kind else "ps256" if "rsa" in kind else None)
        if algorithm is None:
            raise UsageError(f"{key_path} is a key of a kind that C2PA does not know", "wanted P-256, Ed25519 or RSA")
        self._info = c2pa.C2paSignerInfo(algorithm, chain, key, None)
        self._context = c2pa.Context.from_dict(SETTINGS)
        # Tried on a moment of silence: hours of conversion are not to end in a certificate that C2PA refuses.
        silence = io.BytesIO()
        with wave.open(silence, "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(1600))
        try:
            with self._make_builder("trial", Record("")) as builder, self._open_signer() as signer:
                builder.sign(signer, FORMATS[".wav"], io.BytesIO(silence.getvalue()), io.BytesIO())
        except c2pa.C2paError as error:
            hint = "wanted a certificate for e-mail or document signing, in date, with those that vouch for it"
            raise UsageError(f"C2PA refuses {chain_path}: {str(error)[:120]}", hint) from error

    def sign(self, unsigned: Path, signed: Path, title: str, record: Record) -> None:
        """Write a signed copy.

        Args:
            unsigned: A recording.
            signed: The copy, of the same format.
            title: What to call it.
            record: How it was made.

        Raises:
            WriteError: It cannot be signed or written.
        """
        kind = FORMATS[signed.suffix.lower()]
        try:
            with (
                self._make_builder(title, record) as builder,
                self._open_signer() as signer,
                unsigned.open("rb") as source,
                signed.open("w+b") as target,
            ):
                builder.sign(signer, kind, source, target)
        except self._c2pa.C2paError as error:
            raise WriteError(f"cannot sign {title}: {str(error)[:120]}", "leave out `c2pa`") from error

    def _open_signer(self) -> Any:
        return self._c2pa.Signer.from_info(self._info)

    def _make_builder(self, title: str, record: Record) -> Any:
        tool = {"name": "voiceswap", "version": record.voiceswap}
        action = {
            "action": "c2pa.created",
            "when": record.made,
            "digitalSourceType": SOURCE_TYPE,
            "softwareAgent": tool,
            "description": f"voice converted to {record.voice}",
            "parameters": {"voice_id": record.voice_id, "source_sha256": record.source_sha256},
        }
        if not record.made:
            del action["when"]
        manifest = {
            "claim_generator_info": [tool],
            "title": title,
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
        }
        return self._c2pa.Builder(json.dumps(manifest), self._context)


def check_output(output: Path) -> None:
    """Raise UsageError for a result of a format that cannot be signed."""
    if output.suffix.lower() not in FORMATS:
        kinds = ", ".join(kind[1:] for kind in FORMATS)
        raise UsageError(f"{output} cannot be signed", f"C2PA knows {kinds} of what is written here; choose with `out`")


def read_credentials(path: Path, kind: str) -> Credentials | None:
    """The Content Credentials in a file, checked against its bytes; None if there are none, or none can be.

    Args:
        path: A recording.
        kind: soundfile's name of its format.

    Returns:
        What was found.
    """
    if kind not in KINDS:
        return None
    try:
        import c2pa
    except ImportError:
        return Credentials("unlooked")
    try:
        with path.open("rb") as file, c2pa.Reader(KINDS[kind], file, context=_make_offline_context()) as reader:
            report = json.loads(reader.json())
    except c2pa.C2paError as error:
        # Said in its text: the classes are private to the package. A big-endian wav is no file that C2PA knows.
        nothing = str(error).startswith(("ManifestNotFound", "NotSupported")) or 'got "RIFX"' in str(error)
        return None if nothing else Credentials("broken", problems=(str(error)[:120],))
    except ValueError as error:
        return Credentials("broken", problems=(str(error)[:120],))
    return _parse_report(report)


def _make_offline_context() -> Any:
    import c2pa

    return c2pa.Context.from_dict(SETTINGS)


def _parse_report(report: Any) -> Credentials:
    report = report if isinstance(report, dict) else {}
    manifest = (report.get("manifests") or {}).get(report.get("active_manifest")) or {}
    names = manifest.get("signature_info") or {}
    signer = ", ".join(str(names[key])[:200] for key in ("common_name", "issuer") if names.get(key))
    codes = [str(entry.get("code")) for entry in report.get("validation_status") or []]
    problems = tuple(code for code in dict.fromkeys(codes) if code != UNKNOWN_SIGNER)
    sound = report.get("validation_state") in ("Valid", "Trusted") and not problems
    return Credentials("valid" if sound else "broken", signer, problems)


def _read_pem(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PEM_BYTES)
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {(error.strerror or str(error)).lower()}", "wanted a PEM file"
        ) from error
    return data
