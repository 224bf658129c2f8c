"""`voiceswap detect`: whether recordings bear the mark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Json


def detect(
    files: Annotated[list[Path], typer.Argument(help="Recordings.", metavar="FILE...")], as_json: Json = False
) -> None:
    """Tell whether recordings were made with voiceswap.

    Exit code 0 if all of them were, 1 if not.
    """
    shell = Shell(as_json)
    from voiceswap.jobs.detect import detect as job

    findings = shell.run(job, *files)
    for finding in findings:
        found = finding.detection
        spans = ", ".join(f"{first:.0f}-{last:.0f} s" for first, last in found.spans_s)
        tag = f", voice tag {found.tag}" if found.tag is not None else ""
        shell.say(f"{finding.path}: {found.decision} (p = {found.p_value:.1g}){tag}{'  ' + spans if spans else ''}")
    shell.result(findings)
    if not all(finding.detection.decision == "yes" for finding in findings):
        raise typer.Exit(1)
