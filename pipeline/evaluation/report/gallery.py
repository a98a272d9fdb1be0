"""Where the page's script shows pictures: the slider, the best and worst, the table of all."""

from html import escape

from .maps import error_scale
from .results_folder import Results

NO_SCRIPT = (
    "<noscript><p>The pictures below need JavaScript; nothing is loaded from"
    " elsewhere.</p></noscript>"
)
SCALE = (
    f'<p class="scale"><span>error: none</span><i style="background:{error_scale()}"></i>'
    "<span>¼ of the full range and more</span><span>depth: red near, blue far</span></p>"
)


def look(results: Results) -> str:
    """Two pictures of one case with a slider between them, all others of it below, its scores
    beside.
    """
    if not results.rows:
        return ""
    return (
        f'<h2 id="look">Picture by picture</h2>{NO_SCRIPT}<div class="look"><div><div class="stage"'
        ' id="stage"><img id="left-picture" alt=""><img id="right-picture" alt=""><span'
        ' id="left-name"></span><span id="right-name"></span></div><input id="cut" type="range"'
        ' min="0" max="100" step="any" value="50" aria-label="where the left picture'
        ' ends"></div><div><div class="controls"><label>picture<select'
        ' id="case"></select></label><button type="button" class="plain" id="before"'
        ' aria-label="the one before">←</button><button type="button" class="plain" id="after"'
        ' aria-label="the next one">→</button><label>left<select'
        ' id="left"></select></label><label>right<select id="right"></select></label></div><p'
        f' id="told"></p><div class="strip" id="strip"></div>{SCALE}<div class="wide"'
        ' id="case-scores"></div></div></div>'
    )


def gallery(results: Results, missing: str) -> str:
    """Best and worst by any metric, then the table of all pictures.

    Args:
        results: of the evaluation.
        missing: a sentence on pictures that the page doesn't hold.
    """
    if not results.rows:
        return ""
    method = '<label>method<select class="method"></select></label>'
    has_missed = any(row.get("face_found") is False for row in results.rows)
    tick = (
        '<label class="tick"><input type="checkbox" id="missed">only without a face found</label>'
        if has_missed
        else ""
    )
    shown = (
        "Pictures are packed to fit into the page; what was scored are the files in the folder"
        " pictures."
    )
    return (
        f'<h2>Best and worst</h2><div class="controls">{method}<label>by<select'
        ' id="metric"></select></label><label>compared with<select'
        ' id="against"></select></label></div><h3>Best</h3><div class="cases"'
        ' id="best"></div><h3>Worst</h3><div class="cases" id="worst"></div><h2>Every'
        f' picture</h2><p class="note">{escape(f"{shown} {missing}".strip())} Choose a row to look'
        f' at it above.</p><div class="controls">{method}{tick}</div><div class="wide"><table'
        ' id="pictures-table"></table></div><button type="button" class="plain" id="more"'
        " hidden></button>"
    )
