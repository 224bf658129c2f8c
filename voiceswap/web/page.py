"""The pieces of a page that stands alone: no script, no network; players and pictures inside, every text escaped."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from voiceswap.arrays import Array
from voiceswap.storage.png import heat, png
from voiceswap.text import visible

# Nothing may be loaded and nothing may run, whatever the page came to hold.
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
# Dark to bright, as red, green and blue; between them in straight lines.
COLOURS = ((13, 17, 33), (43, 50, 105), (122, 62, 130), (212, 96, 92), (247, 178, 112), (252, 245, 218))
# A plot's inner coordinates: whole numbers are short and fine enough.
SIDE = 1000

STYLE = """
:root{color-scheme:light dark;--back:#fbfaf7;--panel:#fff;--ink:#1c1d20;--muted:#64666d;--line:#e3e1db;--accent:#0a6b69;
--other:#a9713b;--warn:#8a3b12;--warnback:#fdf1e7}
@media(prefers-color-scheme:dark){:root{--back:#131417;--panel:#1a1c20;--ink:#e8e7e4;--muted:#9b9da5;--line:#2d3036;
--accent:#62c6bf;--other:#dba26c;--warn:#f0b48c;--warnback:#2a1d14}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:1rem/1.6 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
main,header,footer{max-width:62rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:3.5rem}
h1{font-size:2.2rem;line-height:1.15;margin:.1rem 0 .6rem;font-weight:650;letter-spacing:-.02em}
h2{font-size:1.15rem;margin:3rem 0 .3rem;font-weight:650}
h3{font-size:.95rem;margin:0;font-weight:600}
p{margin:.3rem 0 1rem;max-width:44rem}
.muted,figcaption,footer{color:var(--muted);font-size:.9rem}
.eyebrow{color:var(--muted);margin:0}
.lead{font-size:1.15rem;line-height:1.5}
.warn{background:var(--warnback);color:var(--warn);padding:.7rem 1rem;border-radius:.5rem;max-width:none}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:1rem;margin:1.8rem 0;padding:1.2rem 0;
border-block:1px solid var(--line)}
.facts dt,.card dt{color:var(--muted);font-size:.85rem}
.facts dd{margin:0;font-size:1.15rem;font-weight:600}
.row{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:1rem;margin:1rem 0}
figure{margin:0;background:var(--panel);border:1px solid var(--line);border-radius:.6rem;padding:.9rem}
figure.best{border-color:var(--accent)}
figure.wide{margin:1rem 0}
figure img{display:block;width:100%;height:7rem;border-radius:.3rem;margin:.6rem 0}
.small{grid-template-columns:repeat(auto-fill,minmax(min(16rem,100%),1fr))}
.small img{height:5rem}
audio{display:block;width:100%;height:2.5rem;margin-top:.6rem}
figcaption{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin-top:.4rem}
.plot{display:grid;grid-template-columns:4.2rem minmax(0,1fr)}
.plot svg{display:block;width:100%;height:13rem;overflow:visible}
.plot path{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round;vector-effect:non-scaling-stroke}
.plot .one{stroke:var(--accent)}.plot .two{stroke:var(--other)}
.plot .grid{stroke:var(--line);stroke-width:1}
.plot .mark{stroke:var(--muted);stroke-width:1;stroke-dasharray:2 4}
.ticks{position:relative}
.ticks span{position:absolute;right:.7rem;transform:translateY(-50%);white-space:nowrap}
.ticks,.ends{color:var(--muted);font-size:.8rem}
.ends{grid-column:2;display:flex;justify-content:space-between;margin-top:.3rem}
.key::before{content:"";display:inline-block;width:1.1rem;height:.2rem;border-radius:.1rem;margin-right:.4rem;
vertical-align:middle;background:var(--accent)}
.key.two::before{background:var(--other)}
.key.mark::before{height:0;border-top:1px dashed var(--muted);background:none;border-radius:0}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th{font-weight:400;text-align:left}
th,td{padding:.45rem .8rem .45rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n{text-align:right;font-weight:600;white-space:nowrap}
td.m{color:var(--muted);font-size:.9rem}
.card{display:grid;grid-template-columns:minmax(0,11rem) minmax(0,1fr);gap:.35rem 1.2rem;margin:1rem 0}
.card dd{margin:0}
footer{margin-top:3.5rem;padding-bottom:3rem}
:focus-visible{outline:3px solid var(--accent);outline-offset:3px;border-radius:.3rem}
@media(max-width:34rem){h1{font-size:1.7rem}header{padding-top:2rem}.card{grid-template-columns:1fr;gap:0}
.card dd{margin-bottom:.7rem}td.m{display:none}}
@media print{audio{display:none}figure,tr{break-inside:avoid}}
"""


def text(value: object, most: int = 500) -> str:
    """Anything, as text for a page: on one line, without control characters, cut, escaped."""
    shown = visible(value)
    return html.escape(shown if len(shown) <= most else f"{shown[:most]}...")


def document(title: str, header: str, sections: Iterable[str], footer: str) -> str:
    """The whole page; all but the title is HTML already."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>{header}</header>\n"
        f"<main>\n{chr(10).join(sections)}\n</main>\n<footer>{footer}</footer>\n</body>\n</html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """A section under its heading; the parts are HTML already."""
    return f"<section>\n<h2>{text(heading)}</h2>\n{chr(10).join(parts)}\n</section>"


def paragraph(words: object, kind: str = "") -> str:
    """A paragraph of plain text; `kind` is a class of the style sheet."""
    return f'<p class="{kind}">{text(words, 2000)}</p>' if kind else f"<p>{text(words, 2000)}</p>"


def pairs(kind: str, entries: Iterable[tuple[str, object]]) -> str:
    """Names and values, as a list of the class "facts" or "card"."""
    inner = (f"<dt>{text(name, 80)}</dt><dd>{text(value, 2000)}</dd>" for name, value in entries)
    if kind == "facts":
        inner = (f"<div>{entry}</div>" for entry in inner)
    return f'<dl class="{kind}">{"".join(inner)}</dl>'


def table(rows: Iterable[tuple[str, str, str]]) -> str:
    """Rows of a name, a figure, and a remark."""
    lines = (
        f'<tr><th scope="row">{text(name)}</th><td class="n">{text(value)}</td><td class="m">{text(remark)}</td></tr>'
        for name, value, remark in rows
    )
    return f"<table>{''.join(lines)}</table>"


def data_uri(kind: str, data: bytes) -> str:
    """Bytes inside the page."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def player(heading: str, label: str, flac: bytes, mel: Array, low: float, high: float, *, best: bool = False) -> str:
    """A sound with its spectrogram.

    Args:
        heading: Above it.
        label: What is heard, in a sentence, for those who do not see it.
        flac: The sound.
        mel: Its log-mel, (n_frames, n_mels).
        low: The level that is drawn darkest.
        high: The level that is drawn brightest.
        best: Whether it stands out.

    Returns:
        A figure.
    """
    spectrogram = png(heat(mel, low, high), colours())
    return (
        f'<figure class="{"best" if best else "sound"}"><h3>{text(heading)}</h3>'
        f'<img alt="Spectrogram: {text(label)}" src="{data_uri("image/png", spectrogram)}">'
        f'<audio controls preload="metadata" aria-label="{text(label)}" src="{data_uri("audio/flac", flac)}"></audio>'
        "</figure>"
    )


def row(figures: Iterable[str], *, small: bool = False) -> str:
    """Figures side by side, as far as there is room."""
    return f'<div class="row{" small" if small else ""}">{"".join(figures)}</div>'


def colours() -> Array:
    """The colours of spectrograms, (256, 3)."""
    stops = np.linspace(0, 255, len(COLOURS))
    return np.stack([np.interp(np.arange(256), stops, channel) for channel in zip(*COLOURS, strict=True)], axis=1)


@dataclass(frozen=True)
class Curve:
    """A named line: x and y, (n,) each; where y is nan, there is a gap."""

    name: str
    x: Array
    y: Array


@dataclass(frozen=True)
class Scale:
    """The vertical scale of a plot, from low to high, with lines at the ticks."""

    low: float
    high: float
    ticks: Sequence[float]
    unit: str = ""
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """How far down a value lies, 0 (the top) to 1."""
        if self.logarithmic:
            height = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            height = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, 1 - height))


def plot(
    label: str,
    curves: Sequence[Curve],
    scale: Scale,
    ends: tuple[float, float],
    end_names: tuple[str, str],
    mark: tuple[float, str] | None = None,
) -> str:
    """One or two curves, as SVG that is stretched to the room there is; the letters beside it are the page's own.

    Args:
        label: What is shown, in a sentence.
        curves: The first stands out.
        scale: Of the vertical.
        ends: Where the horizontal begins and ends.
        end_names: What stands there.
        mark: Where an upright line is drawn, and what it means; no such line if not given.

    Returns:
        A figure.
    """
    first, last = ends
    places = [(tick, scale.place(tick)) for tick in scale.ticks]
    names = "".join(f'<span style="top:{100 * down:.1f}%">{tick:g}{text(scale.unit)}</span>' for tick, down in places)
    drawn = [f'<path class="grid" d="M0 {SIDE * down:.0f}h{SIDE}"/>' for _, down in places]
    styled = list(zip(("one", "two"), curves, strict=False))
    keys = [f'<span class="key {kind}">{text(curve.name)}</span>' for kind, curve in styled]
    if mark is not None:
        drawn.append(f'<path class="mark" d="M{SIDE * (mark[0] - first) / max(last - first, 1e-9):.0f} 0v{SIDE}"/>')
        keys.append(f'<span class="key mark">{text(mark[1])}</span>')
    drawn += [f'<path class="{kind}" d="{_draw_path(curve, scale, first, last)}"/>' for kind, curve in reversed(styled)]
    return (
        f'<figure class="wide"><div class="plot"><div class="ticks" aria-hidden="true">{names}</div>'
        f'<svg role="img" aria-label="{text(label)}" viewBox="0 0 {SIDE} {SIDE}" preserveAspectRatio="none">'
        f'{"".join(drawn)}</svg><div class="ends">'
        f"<span>{text(end_names[0])}</span><span>{text(end_names[1])}</span></div>"
        f"</div><figcaption>{''.join(keys)}</figcaption></figure>"
    )


def _draw_path(curve: Curve, scale: Scale, first: float, last: float) -> str:
    points, pen = [], "M"
    for x, y in zip(curve.x, curve.y, strict=True):
        if math.isnan(y):
            pen = "M"
            continue
        across, down = (x - first) / max(last - first, 1e-9), scale.place(y)
        # A lone point shows as a dot, since lines have round ends.
        points.append(f"{pen}{SIDE * across:.0f} {SIDE * down:.0f}" + ("h0" if pen == "M" else ""))
        pen = "L"
    return "".join(points)
