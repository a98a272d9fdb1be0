// Heads that turn: each .orbit has its views in one background image. A card's heads turn together.
let touched = 0;
for (const card of document.querySelectorAll(".turning")) {
  const heads = [...card.querySelectorAll(".orbit")];
  let column = (columns - 1) / 2, row = (rows - 1) / 2, from = null;
  const show = () => {
    const place = (value, count) => `${(100 * Math.round(value)) / Math.max(1, count - 1)}%`;
    for (const head of heads)
      head.style.backgroundPosition = `${place(column, columns)} ${place(row, rows)}`;
  };
  const turn = (right, down) => {
    touched = Date.now();
    column = Math.min(columns - 1, Math.max(0, column + right));
    row = Math.min(rows - 1, Math.max(0, row + down));
    show();
  };
  for (const head of heads) {
    head.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    head.addEventListener("pointerdown", (event) => {
      from = [event.clientX, event.clientY];
      head.setPointerCapture(event.pointerId);
    });
    // the head follows the finger: the camera goes the other way
    head.addEventListener("pointermove", (event) => {
      if (from === null) return;
      const width = head.clientWidth;
      turn(((from[0] - event.clientX) / width) * columns, ((from[1] - event.clientY) / width) * rows);
      from = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"])
      head.addEventListener(end, () => (from = null));
    head.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (!(event.key in step)) return;
      event.preventDefault();
      turn(...step[event.key]);
    });
  }
  show();
}
if (refresh)
  setInterval(() => Date.now() - touched > 1000 * refresh && location.reload(), 1000 * refresh);
