// Colours, text and markers on a canvas, and the arrays that come from the kernel.

const INK = "#1F2328", AXIS = "#5B6670", GRID = "#ECEFF2";
const FONT = '"Open Sans", "Segoe UI", Helvetica, Arial, sans-serif';
const SIZE = 16, SMALL = 14;
const DASH = { solid: [], dash: [9, 6], dot: [2, 4], dashdot: [9, 5, 2, 5], longdash: [14, 6] };
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369",
  "#e1cc55", "#fee838"].map((c, i, all) => [i / (all.length - 1), c]);
const STYLE = `
.vq-stage{outline:none;color-scheme:light;max-width:100%;overflow-x:auto;font:${SMALL}px ${FONT};color:${INK};background:white;padding:2px}
.vq-stage:focus-visible{box-shadow:0 0 0 2px #0072B2}
.vq-stage canvas{display:block}
.vq-bar{display:flex;flex-wrap:wrap;gap:6px;align-items:center;margin:2px 8px 4px}
.vq-bar button{font:${SIZE}px ${FONT};min-width:38px;height:32px;border:1px solid #9aa5b1;border-radius:5px;
 background:white;color:${INK};cursor:pointer}
.vq-bar button:hover{background:#eef3f7}
.vq-bar input{flex:1 1 140px;min-width:90px;accent-color:#0072B2}
.vq-bar button[aria-pressed=true]{background:#d9ebf7;border-color:#0072B2}
.vq-bar span{font-variant-numeric:tabular-nums;min-width:9em}
.vq-line{margin:2px 8px 6px;font-size:${SIZE}px}
.vq-line input{font:${SIZE}px ${FONT};width:5em;height:28px;margin:0 6px;box-sizing:border-box}
.vq-lost{margin:2px 8px 6px;padding:4px 10px;border-left:5px solid #D55E00;background:#fdf1ea;font-size:${SIZE}px}`;

function numbers(value) {    // a packed array -> {rows, cols, data}, a plain list likewise
  if (value == null) return { rows: 1, cols: 0, data: [] };
  if (Array.isArray(value)) return { rows: 1, cols: value.length, data: value };
  if (typeof value === "number") return { rows: 1, cols: 1, data: [value] };
  if (!value.shape) return value;
  const raw = value.data, copy = raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength);
  const data = new Float32Array(copy), shape = value.shape;
  return shape.length === 2 ? { rows: shape[0], cols: shape[1], data } : { rows: 1, cols: shape[0], data };
}
const rowOf = (a, f) => a.rows === 1 ? a.data : a.data.subarray(f * a.cols, (f + 1) * a.cols);

function mix(scale, share) {
  const t = Math.min(1, Math.max(0, share));
  const part = (c, i) => parseInt(c.slice(1 + 2 * i, 3 + 2 * i), 16);
  const hex = (c) => c === "white" ? "#ffffff" : c;
  for (let i = 1; i < scale.length; i++) {
    const [a, from] = scale[i - 1], [b, to] = scale[i];
    if (t <= b) {
      const u = (t - a) / (b - a);
      return `rgb(${[0, 1, 2].map(k => Math.round(part(hex(from), k) * (1 - u) + part(hex(to), k) * u))})`;
    }
  }
  return scale[scale.length - 1][1];
}

// Text with <b>, <br>, <sub>, <i> and <span style="color; font-size">: a list of lines of pieces.
function pieces(text, size, color) {
  const lines = [[]], stack = [{ size, color, bold: false, drop: 0 }];
  for (const part of String(text).replace(/&nbsp;/g, "\u00a0").split(/(<[^>]+>)/)) {
    const top = stack[stack.length - 1];
    if (!part) continue;
    if (part[0] !== "<") { lines[lines.length - 1].push({ ...top, text: part.replace(/&lt;/g, "<").replace(/&amp;/g, "&") }); continue; }
    if (/^<br/.test(part)) lines.push([]);
    else if (part[1] === "/") stack.length > 1 && stack.pop();
    else if (/^<b>/.test(part)) stack.push({ ...top, bold: true });
    else if (/^<sub/.test(part)) stack.push({ ...top, size: top.size * 0.75, drop: top.size * 0.22 });
    else {
      const hue = part.match(/(?:^|[";\s])color:\s*([^;"]+)/), px = part.match(/font-size:\s*([\d.]+)px/);
      stack.push({ ...top, color: hue ? hue[1] : top.color, size: px ? +px[1] : top.size });
    }
  }
  return lines;
}

function write(g, text, x, y, { size = SIZE, color = INK, xa = "left", ya = "top", angle = 0 } = {}) {
  const lines = pieces(text, size, color), high = size * 1.3;
  const font = p => `${p.bold ? "bold " : ""}${p.size}px ${FONT}`;
  g.save();
  g.translate(x, y);
  if (angle) g.rotate(angle);
  g.textBaseline = "alphabetic";
  let top = ya === "bottom" ? -lines.length * high : ya === "middle" ? -lines.length * high / 2 : 0;
  for (const line of lines) {
    let wide = 0;
    for (const p of line) { g.font = font(p); wide += p.wide = g.measureText(p.text).width; }
    let at = xa === "center" ? -wide / 2 : xa === "right" ? -wide : 0;
    for (const p of line) { g.font = font(p); g.fillStyle = p.color; g.fillText(p.text, at, top + size * 1.02 + p.drop); at += p.wide; }
    top += high;
  }
  g.restore();
}

function mark(g, symbol, x, y, r) {
  g.beginPath();
  const poly = (points) => points.forEach(([a, b], i) => g[i ? "lineTo" : "moveTo"](x + a * r, y + b * r));
  const around = (n, turn, inner) => Array.from({ length: inner ? 2 * n : n }, (_, i) => {
    const a = turn + 2 * Math.PI * i / (inner ? 2 * n : n), s = inner && i % 2 ? inner : 1.15;
    return [s * Math.cos(a), s * Math.sin(a)];
  });
  if (symbol === "square") poly([[-.88, -.88], [.88, -.88], [.88, .88], [-.88, .88]]);
  else if (symbol === "diamond") poly([[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]]);
  else if (symbol === "triangle-up") poly(around(3, -Math.PI / 2));
  else if (symbol === "triangle-down") poly(around(3, Math.PI / 2));
  else if (symbol === "pentagon") poly(around(5, -Math.PI / 2));
  else if (symbol === "star") poly(around(5, -Math.PI / 2, 0.5));
  else if (symbol === "x-thin") { poly([[-.8, -.8], [.8, .8]]); poly([[-.8, .8], [.8, -.8]]); return; }
  else g.arc(x, y, r, 0, 2 * Math.PI);
  g.closePath();
}
