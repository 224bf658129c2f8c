"""`voiceswap doctor`: whether everything works here."""

from __future__ import annotations

import typer

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Device, Json, Threads, Voices
from voiceswap.text import count


def doctor(voices: Voices = None, device: Device = None, threads: Threads = None, as_json: Json = False) -> None:
    """Check that voiceswap works on this machine."""
    shell = Shell(as_json)
    from voiceswap.jobs.doctor import examine

    checks = examine(voices)
    for check in checks:
        took = f", {check.seconds:.1f} s" if check.seconds is not None else ""
        shell.say(f"{'ok ' if check.ok else 'BAD'} {check.name}: {check.found}{took}")
        if check.advice:
            shell.say(f"    {check.advice}")
    shell.result(checks)
    n_bad = sum(not check.ok for check in checks)
    if n_bad:
        shell.say(f"{count(n_bad, 'thing')} {'is' if n_bad == 1 else 'are'} wrong: see the lines below each BAD")
        raise typer.Exit(1)
    shell.say("everything works")
