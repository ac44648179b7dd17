"""
Formulas as SVG outlines with their baseline, drawn by matplotlib's mathtext in STIX, the face of the text.

WeasyPrint has no MathML, and an SVG with a depth stands on the baseline in both media. What mathtext cannot do (limits
under a "max", `\\le`, environments) the formulas here do without.

Drawing a formula takes 15 ms. Those of this package and its entries are therefore kept in formulas.json, as they were
drawn once; `pytest tests/report/figures/test_maths.py --update-golden` draws them anew. Others are drawn when needed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.path import Path

TEXT_SIZE_PT = 10.0
BEARING_PT = 0.4
"""White space on both sides, so that neither a slanted letter nor an antialiased stem is cut."""

GRID = 20
"""Grid lines per point: outlines are exact to 1/40 pt, far below what a printer resolves."""


@dataclass(frozen=True)
class Equation:
    """TeX as mathtext understands it, and the same in words for those who cannot see it."""

    tex: str
    spoken: str


@dataclass(frozen=True)
class Formula:
    """An SVG of exactly `width_pt` × `height_pt`, whose baseline lies `depth_pt` above its lower edge."""

    svg: str
    width_pt: float
    height_pt: float
    depth_pt: float
    spoken: str


EQUATIONS = {
    "sparsity_target": Equation(
        r"S_{\mathrm{target}} \;=\; 1 - "
        r"\dfrac{\Sigma_{W \in \mathcal{T}}\; \mathrm{nnz}(W)}{\Sigma_{W \in \mathcal{T}}\; |W|}",
        "S target equals one minus the non-zeros of all targeted matrices over the number of their weights",
    ),
    "group_sparsity": Equation(
        r"S_g \;=\; 1 - \dfrac{\mathrm{nnz}(\theta_g)}{|\theta_g|}",
        "S g equals one minus the number of non-zero parameters of group g over its number of parameters",
    ),
    "parameter_fraction": Equation(
        r"F_g \;=\; \dfrac{|\theta_g|}{\Sigma_h\, |\theta_h|}",
        "F g equals the number of parameters of group g over the number of parameters of all groups",
    ),
    "break_even": Equation(
        r"B_{\mathrm{CSR}} < B_{\mathrm{dense}} \quad\Longleftrightarrow\quad "
        r"S \;>\; \dfrac{b_{\mathrm{idx}}}{b + b_{\mathrm{idx}}} + "
        r"\dfrac{(O + 1)\, b_{\mathrm{ptr}}}{O \, I \, (b + b_{\mathrm{idx}})}",
        "C S R is smaller than dense exactly when the sparsity exceeds the bytes of an index over those of a value and "
        "an index, plus a small term for the row pointers",
    ),
    "bits_per_byte": Equation(
        r"\mathrm{BPB} \;=\; -\dfrac{1}{N_{\mathrm{bytes}}}\; \sum_{t=1}^{n}\; \log_2\, p_t(x_{t+1})",
        "bits per byte are the negative sum of the binary logarithms of the probabilities of the tokens that follow, "
        "over the number of bytes of the text",
    ),
    "jensen_shannon": Equation(
        r"\mathrm{JS} \;=\; \dfrac{1}{2}\, \mathrm{KL}(p^{(d)} \,\Vert\, m) + "
        r"\dfrac{1}{2}\, \mathrm{KL}(p^{(v)} \,\Vert\, m), \qquad m \;=\; \dfrac{p^{(d)} + p^{(v)}}{2}",
        "the Jensen–Shannon divergence is half the divergence of the dense distribution from the mean of both plus "
        "half that of the variant’s from it",
    ),
    "overlap_top5": Equation(
        r"O_5 \;=\; \dfrac{1}{5\,n}\; \sum_{t=1}^{n}\; |\, K_t^{(d)} \cap K_t^{(v)} \,|",
        "the overlap of five is the mean over positions of the number of tokens that are among the first five of both, "
        "over five",
    ),
    "softmax": Equation(
        r"p_t(k) \;=\; \dfrac{\exp\, \ell_{tk}}{\Sigma_{j=1}^{V}\; \exp\, \ell_{tj}}",
        "the probability of token k at position t is the exponential of its logit over the sum of those of all logits",
    ),
    "argmax": Equation(
        r"\hat{k}_t \;=\; \mathrm{arg\,max}_{k} \; p_t(k)",
        "the predicted token at position t is the k of largest probability",
    ),
    "argmax_logits": Equation(
        r"\mathrm{arg\,max}_{k} \; p_t(k) \;=\; \mathrm{arg\,max}_{k} \; \ell_{tk}",
        "the token of largest probability is the token of largest logit",
    ),
    "softmax_order": Equation(
        r"\ell_{tk} > \ell_{tj} \quad\Longleftrightarrow\quad \exp\, \ell_{tk} > \exp\, \ell_{tj} "
        r"\quad\Longleftrightarrow\quad p_t(k) > p_t(j)",
        "one logit exceeds another exactly when its exponential does, and so exactly when its probability does",
    ),
    "jaccard": Equation(
        r"J(A, B) \;=\; \dfrac{|A \cap B|}{|A \cup B|}, \qquad "
        r"J_{\mathrm{chance}} \;=\; \dfrac{s_A s_B}{s_A + s_B - s_A s_B}",
        "the Jaccard index of two sets of removed weights is the number of weights in both over the number in either; "
        "by chance it is the product of the two sparsities over their sum minus their product",
    ),
    "noise_floor": Equation(
        r"|\ln R| \;\leq\; \sqrt{h^2 + \ln^2(1 + \varepsilon)} \quad\Longrightarrow\quad \mathrm{no\ difference}",
        "a speed-up whose logarithm is no larger than the root of the sum of the squares of half its interval, h, and "
        "of the logarithm of one plus the noise floor epsilon is no difference",
    ),
}
"""
Displayed equations that belong to no method, format or metric; theirs are recorded with the results. O rows, I columns,
b and b_idx bytes of a value and an index, n positions, V tokens.
"""


@cache
def inline(tex: str, spoken: str) -> Formula:
    """TeX (without dollar signs) at the size of the text. Raises ValueError for what mathtext does not understand."""
    if (kept := known().get(tex)) is not None:
        width, height, depth, outline = kept
        return Formula(_svg(width, height, outline), width, height, depth, spoken)
    return drawn(tex, spoken)


def displayed(tex: str) -> str:
    """As TeX sets a formula on a line of its own: fractions at full size, which mathtext has as a command."""
    return tex.replace(r"\frac", r"\dfrac")


@cache
def known() -> dict[str, tuple[float, float, float, str]]:
    """Formulas that were drawn before, by TeX: width, height and depth in points, path data of the outline."""
    file = resources.files(__package__) / "formulas.json"
    return {tex: tuple(kept) for tex, kept in json.loads(file.read_text(encoding="utf-8")).items()}


def _ink(tex: str, size_pt: float) -> Path:
    """Outlines of a formula in points, with the baseline at height zero."""
    import numpy as np
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import text_to_path

    face = FontProperties(family="STIXGeneral", math_fontfamily="stix")
    try:
        points, codes = text_to_path.get_text_path(face, f"${tex}$", ismath=True)
    except ValueError as error:
        raise ValueError(f"mathtext does not understand the formula {tex!r}: {error}") from error
    if not len(points):
        raise ValueError(f"the formula {tex!r} draws nothing")
    return Path(np.asarray(points) * size_pt / text_to_path.FONT_SCALE, codes)


def drawn(tex: str, spoken: str) -> Formula:
    """As `inline`, but drawn now."""
    path = _ink(tex, TEXT_SIZE_PT)
    box = path.get_extents()
    left, top = box.x0 - BEARING_PT, max(box.y1, 0) + BEARING_PT
    width, height = round(box.width + 2 * BEARING_PT, 2), round(top - min(box.y0, 0) + BEARING_PT, 2)
    svg = _svg(width, height, _outline(path, left, top))
    return Formula(svg, width, height, round(height - top, 2), spoken)


def _svg(width: float, height: float, outline: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" '
        f'viewBox="0 0 {width * GRID:g} {height * GRID:g}"><path d="{outline}"/></svg>'
    )


def _outline(path: Path, left: float, top: float) -> str:
    """SVG path data from the upper left corner downwards: relative moves between whole numbers, which are short."""
    letters = {path.MOVETO: "m", path.LINETO: "l", path.CURVE3: "q", path.CURVE4: "c"}
    at, start, commands = (0, 0), (0, 0), []
    for points, code in path.iter_segments(curves=True, simplify=False):
        if code == path.CLOSEPOLY:
            commands.append("z")
            at = start
            continue
        pairs = zip(points[::2], points[1::2], strict=True)
        places = [(round(GRID * (x - left)), round(GRID * (top - y))) for x, y in pairs]
        commands.append(letters[code] + " ".join(f"{x - at[0]} {y - at[1]}" for x, y in places).replace(" -", "-"))
        at = places[-1]
        start = at if code == path.MOVETO else start
    return "".join(commands)
