// Draws a scene of vqlab.plots on a canvas: what a plotly figure describes, as far as the explorers use
// it, some fifty times faster, so that a film can be scrubbed and a point dragged without waiting.
// A moving trace holds x and y of all frames in one array, a row each; nothing asks the kernel.

const INK = "#1F2328", AXIS = "#5B6670", GRID = "#ECEFF2";
const FONT = '"Open Sans", "Segoe UI", Helvetica, Arial, sans-serif';
const SIZE = 16, SMALL = 14;
const DASH = { solid: [], dash: [9, 6], dot: [2, 4], dashdot: [9, 5, 2, 5], longdash: [14, 6] };
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369",
  "#e1cc55", "#fee838"].map((c, i, all) => [i / (all.length - 1), c]);
const FILM = 6000;    // milliseconds that a whole film takes
const STYLE = `
.vq-stage{outline:none;max-width:100%;font:${SMALL}px ${FONT};color:${INK};background:white;padding:2px}
.vq-stage:focus-visible{box-shadow:0 0 0 2px #0072B2}
.vq-stage canvas{display:block;touch-action:none}
.vq-bar{display:flex;flex-wrap:wrap;gap:6px;align-items:center;margin:2px 8px 4px}
.vq-bar button{font:${SIZE}px ${FONT};min-width:38px;height:32px;border:1px solid #9aa5b1;border-radius:5px;
 background:white;color:${INK};cursor:pointer}
.vq-bar button:hover{background:#eef3f7}
.vq-bar input{flex:1 1 140px;min-width:90px;accent-color:#0072B2}
.vq-bar span{font-variant-numeric:tabular-nums;min-width:9em}`;

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

// The borders of the nearest-code rule: each code's cell is the box, cut by the half planes of the others.
function cells(xs, ys, box) {
  const [left, right, low, high] = box, out = [], n = xs.length;
  for (let i = 0; i < n; i++) {
    const cx = xs[i], cy = ys[i];
    if (!isFinite(cx)) continue;
    let poly = [[left, low], [right, low], [right, high], [left, high]], reach = Infinity;
    const far = () => { let m = 0; for (const p of poly) m = Math.max(m, (p[0] - cx) ** 2 + (p[1] - cy) ** 2); return m; };
    reach = far();
    for (let j = 0; j < n && poly.length; j++) {
      const dx = xs[j] - cx, dy = ys[j] - cy, d = dx * dx + dy * dy;
      if (j === i || !(d > 0) || d > 4 * reach) continue;
      const mx = cx + dx / 2, my = cy + dy / 2, side = p => (p[0] - mx) * dx + (p[1] - my) * dy, next = [];
      for (let k = 0; k < poly.length; k++) {
        const a = poly[k], b = poly[(k + 1) % poly.length], sa = side(a), sb = side(b);
        if (sa <= 0) next.push(a);
        if (sa < 0 !== sb < 0 && sa !== sb) { const t = sa / (sa - sb); next.push([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]); }
      }
      poly = next;
      reach = far();
    }
    out.push(poly);
  }
  return out;
}

function ticks(axis, px) {
  let [a, b] = axis.range;
  if (axis.tickvals) {
    const vals = Array.from(numbers(axis.tickvals).data), text = axis.ticktext;
    return vals.map((v, i) => [v, text ? text[i] : format(v, axis.tickformat)]);
  }
  if (axis.type === "log") {
    const out = [], marks = b - a > 2.5 ? [1] : b - a > 1.2 ? [1, 3] : [1, 2, 5];
    for (let e = Math.floor(a); e <= b; e++) for (const m of marks) {
      const v = m * 10 ** e; if (Math.log10(v) >= a - 1e-9 && Math.log10(v) <= b + 1e-9) out.push([v, format(v, axis.tickformat)]);
    }
    return out;
  }
  const most = Math.max(2, Math.min(axis.nticks || 6, Math.floor(px / 45))), span = b - a;
  let step = axis.dtick;
  if (!step) { const raw = span / most, p = 10 ** Math.floor(Math.log10(raw)); step = p * [1, 2, 5, 10].find(m => m * p >= raw * 0.999); }
  const out = [];
  for (let k = Math.ceil(a / step - 1e-9); k * step <= b + 1e-9 * span; k++) out.push([k * step, format(k * step, axis.tickformat)]);
  return out;
}
function format(v, form) {
  if (form && form.endsWith("%")) return (100 * v).toFixed(+form[1]) + "%";
  return String(+v.toPrecision(6)).replace("-", "\u2212");
}

class Picture {
  constructor(scene) {
    this.layout = scene.layout;
    this.names = scene.frames || [];
    this.traces = scene.data.map((t, i) => ({ ...t, i, x: numbers(t.x), y: numbers(t.y), z: t.z && numbers(t.z),
      size: t.marker && t.marker.size != null && typeof t.marker.size !== "number" ? numbers(t.marker.size) : null }));
    this.moved = {};    // what the hand holds now: "trace:point" -> [x, y]
  }
  fit(avail) {
    const L = this.layout, m = { l: 72, r: 24, t: 64, b: 60, ...L.margin };
    if (this.traces.some(t => t.type === "heatmap" && t.showscale !== false)) m.r += 100;
    const wide = L.width - m.l - m.r, tall = L.height - m.t - m.b;
    const s = Math.max(0.5, Math.min(1, (avail - m.l - m.r) / wide));
    this.m = m; this.w = wide * s + m.l + m.r; this.h = tall * s + m.t + m.b;
    this.inner = [wide * s, tall * s];
    this.shrink = Math.min(1, avail / this.w);
    this.axes = {};
    for (const key of Object.keys(L)) {
      const found = key.match(/^([xy])axis(\d*)$/);
      if (!found) continue;
      const a = { type: "linear", domain: [0, 1], ...L[key], range: Array.from(numbers(L[key].range).data) };
      a.id = found[1] + found[2];
      if (!a.range.length) a.range = this.around(a);
      const [d0, d1] = Array.from(numbers(a.domain).data);
      if (found[1] === "x") { a.p0 = m.l + d0 * this.inner[0]; a.p1 = m.l + d1 * this.inner[0]; }
      else { a.p0 = m.t + (1 - d0) * this.inner[1]; a.p1 = m.t + (1 - d1) * this.inner[1]; }
      const [r0, r1] = a.range, log = a.type === "log";
      a.px = v => a.p0 + ((log ? Math.log10(v) : v) - r0) / (r1 - r0) * (a.p1 - a.p0);
      a.value = p => { const u = r0 + (p - a.p0) / (a.p1 - a.p0) * (r1 - r0); return log ? 10 ** u : u; };
      this.axes[a.id] = a;
    }
    for (const a of Object.values(this.axes)) {
      const other = a.id[0] === "x" ? "y" : "x";
      a.mate = this.axes[a.anchor || other + a.id.slice(1)] || this.axes[other];
    }
  }
  around(a) {    // an axis without ends: all that is on it
    let low = Infinity, high = -Infinity;
    for (const t of this.traces) if ((t[a.id[0] + "axis"] || a.id[0]) === a.id) for (const v of t[a.id[0]].data) {
      const u = a.type === "log" ? Math.log10(v) : v;
      if (isFinite(u)) { low = Math.min(low, u); high = Math.max(high, u); }
    }
    if (low > high) return [0, 1];
    if (a.rangemode === "tozero" && a.type !== "log") { low = Math.min(low, 0); high = Math.max(high, 0); }
    const room = 0.06 * (high - low) || 0.5;
    return [low === 0 ? 0 : low - room, high + room];
  }
  of(t) { return [this.axes[(t.xaxis || "x")], this.axes[(t.yaxis || "y")]]; }
  at(t, f, k) { const held = this.moved[t.i + ":" + k]; return held || [rowOf(t.x, f)[k], rowOf(t.y, f)[k]]; }

  draw(g, f) {
    g.fillStyle = "white";
    g.fillRect(0, 0, this.w, this.h);
    for (const a of Object.values(this.axes)) if (a.visible !== false && a.showgrid !== false) this.grid(g, a);
    for (const t of this.traces) this.trace(g, t, f);
    for (const a of Object.values(this.axes)) if (a.visible !== false) this.axis(g, a);
    for (const s of this.layout.shapes || []) this.shape(g, s);
    for (const n of this.layout.annotations || []) this.note(g, n);
    const title = this.layout.title && (this.layout.title.text ?? this.layout.title);
    if (typeof title === "string" && title) {
      g.font = `20px ${FONT}`;
      const share = (this.w - 24) / g.measureText(title.replace(/<[^>]*>/g, "")).width;
      write(g, title, 12, 12, { size: Math.max(SMALL, Math.min(20, 20 * share)) });
    }
    this.legend(g);
  }
  grid(g, a) {
    g.strokeStyle = GRID; g.lineWidth = 1; g.beginPath();
    for (const [v] of ticks(a, Math.abs(a.p1 - a.p0))) {
      const p = Math.round(a.px(v)) + 0.5;
      if (a.id[0] === "x") { g.moveTo(p, a.mate.p0); g.lineTo(p, a.mate.p1); } else { g.moveTo(a.mate.p0, p); g.lineTo(a.mate.p1, p); }
    }
    g.stroke();
  }
  axis(g, a) {
    const x = a.id[0] === "x", m = a.mate, p = Math.round, length = Math.abs(a.p1 - a.p0);
    g.strokeStyle = AXIS; g.lineWidth = 1; g.beginPath();
    for (const edge of a.mirror ? [m.p0, m.p1] : [m.p0]) {
      if (x) { g.moveTo(a.p0, p(edge) + .5); g.lineTo(a.p1, p(edge) + .5); } else { g.moveTo(p(edge) + .5, a.p0); g.lineTo(p(edge) + .5, a.p1); }
    }
    let widest = 0;
    g.font = `${SMALL}px ${FONT}`;
    if (a.showticklabels !== false) {
      let last = -Infinity;
      for (const [v, text] of ticks(a, length)) {
        const at = a.px(v);
        if (at < Math.min(a.p0, a.p1) - 1 || at > Math.max(a.p0, a.p1) + 1) continue;
        if (x) { g.moveTo(p(at) + .5, m.p0); g.lineTo(p(at) + .5, m.p0 + 4); } else { g.moveTo(m.p0 - 4, p(at) + .5); g.lineTo(m.p0, p(at) + .5); }
        const wide = g.measureText(text).width;
        if (x && at - wide / 2 < last + 6) continue;
        last = at + wide / 2;
        widest = Math.max(widest, wide);
        write(g, text, x ? at : m.p0 - 7, x ? m.p0 + 5 : at, { size: SMALL, xa: x ? "center" : "right", ya: x ? "top" : "middle" });
      }
    }
    g.stroke();
    const title = a.title && (a.title.text ?? a.title);
    if (typeof title === "string" && title) {
      if (x) write(g, title, (a.p0 + a.p1) / 2, m.p0 + 24, { xa: "center" });
      else write(g, title, m.p0 - widest - 14, (a.p0 + a.p1) / 2, { xa: "center", ya: "bottom", angle: -Math.PI / 2 });
    }
  }
  trace(g, t, f) {
    const [X, Y] = this.of(t);
    g.save();
    g.globalAlpha = t.opacity ?? 1;
    if (t.cliponaxis !== false) { g.beginPath(); g.rect(X.p0 - 1, Y.p1 - 1, X.p1 - X.p0 + 2, Y.p0 - Y.p1 + 2); g.clip(); }
    if (t.type === "heatmap") this.heat(g, t, X, Y);
    else if (t.type === "bar") this.bars(g, t, f, X, Y);
    else {
      const of = t.meta && t.meta.cells, mode = t.mode || "lines", xs = rowOf(t.x, f), ys = rowOf(t.y, f);
      if (of) this.cells(g, t, f, X, Y, of);
      else if (mode.includes("lines")) this.lines(g, t, xs, ys, X, Y);
      if (mode.includes("markers")) this.markers(g, t, f, X, Y);
      if (mode.includes("text") && (t.text || t.texts)) {
        const many = t.texts ? [t.texts[f]] : t.text;
        for (let k = 0; k < xs.length; k++) {
          const place = t.textposition || "middle center", [ya, xa] = place.split(" ");
          write(g, many[k] ?? "", X.px(xs[k]) + (xa === "right" ? 4 : 0), Y.px(ys[k]) + (ya === "top" ? -3 : ya === "bottom" ? 3 : 0),
            { size: t.textfont?.size || SIZE, color: t.textfont?.color || INK, xa: { left: "right", right: "left" }[xa] || "center",
              ya: { top: "bottom", bottom: "top" }[ya] || "middle" });
        }
      }
    }
    g.restore();
  }
  lines(g, t, xs, ys, X, Y) {
    g.strokeStyle = t.line?.color || INK; g.lineWidth = t.line?.width ?? 2; g.lineJoin = "round";
    g.setLineDash(DASH[t.line?.dash || "solid"] || []);
    g.beginPath();
    let pen = false;
    for (let k = 0; k < xs.length; k++) {
      const x = X.px(xs[k]), y = Y.px(ys[k]);
      if (!isFinite(x) || !isFinite(y)) { pen = false; continue; }
      g[pen ? "lineTo" : "moveTo"](x, y); pen = true;
    }
    g.stroke();
    g.setLineDash([]);
  }
  cells(g, t, f, X, Y, of) {
    const xs = [], ys = [];
    const parts = of.map(i => this.traces[i]);
    for (const part of parts) for (let k = 0; k < part.x.cols; k++) {
      const [x, y] = this.at(part, f, k);
      if (isFinite(x)) { xs.push(x); ys.push(y); }
    }
    g.strokeStyle = t.line.color; g.lineWidth = t.line.width; g.beginPath();
    for (const poly of xs.length > 1 ? cells(xs, ys, [X.range[0], X.range[1], Y.range[0], Y.range[1]]) : []) {
      poly.forEach((p, k) => g[k ? "lineTo" : "moveTo"](X.px(p[0]), Y.px(p[1])));
      g.closePath();
    }
    g.stroke();
  }
  markers(g, t, f, X, Y) {
    const m = t.marker || {}, symbol = m.symbol || "circle", open = symbol.endsWith("-open"), thin = symbol === "x-thin";
    const sizes = t.size && rowOf(t.size, f), shape = symbol.replace("-open", ""), colors = Array.isArray(m.color) ? m.color : null;
    if (m.opacity === 0) return;
    const before = g.globalAlpha;
    g.globalAlpha = before * (m.opacity ?? 1);
    const edge = m.line || {};
    for (let k = 0; k < t.x.cols; k++) {
      const [vx, vy] = this.at(t, f, k), x = X.px(vx), y = Y.px(vy);
      if (!isFinite(x) || !isFinite(y)) continue;
      const r = (sizes ? sizes[k] : m.size ?? 6) / 2;
      mark(g, shape, x, y, r);
      const color = colors ? colors[k] : m.color || INK;
      if (!open && !thin) { g.fillStyle = color; g.fill(); }
      const width = open || thin ? edge.width || 2 : edge.width || 0;
      if (width) { g.strokeStyle = edge.color || color; g.lineWidth = width; g.stroke(); }
    }
    g.globalAlpha = before;
  }
  bars(g, t, f, X, Y) {
    const xs = rowOf(t.x, f), ys = rowOf(t.y, f), base = Math.min(Y.p0, Y.px(0));
    const half = Math.max(0.5, 0.42 * Math.abs(X.px(1) - X.px(0)));
    g.fillStyle = t.marker.color;
    for (let k = 0; k < ys.length; k++) {
      const y = Y.px(ys[k]);
      if (ys[k] > 0) g.fillRect(X.px(xs[k]) - half, y, 2 * half, base - y);
    }
  }
  heat(g, t, X, Y) {
    const scale = typeof t.colorscale === "string" ? CIVIDIS : t.colorscale, low = t.zmin ?? 0, span = (t.zmax ?? 1) - low;
    const edges = (a, n) => {
      const v = Array.from(a.data);
      if (v.length === n + 1) return v;
      const half = (v[1] - v[0]) / 2;
      return [v[0] - half, ...v.map(one => one + half)];
    };
    const rows = t.z.rows, cols = t.z.cols, ex = edges(t.x, cols), ey = edges(t.y, rows), gap = t.xgap || 0;
    for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) {
      const z = t.z.data[r * cols + c];
      if (!isFinite(z)) continue;
      g.fillStyle = mix(scale, (z - low) / span);
      const x = X.px(ex[c]), y = Y.px(ey[r + 1]);
      g.fillRect(x + gap / 2, y + gap / 2, X.px(ex[c + 1]) - x + (gap ? -gap : 0.6), Y.px(ey[r]) - y + (gap ? -gap : 0.6));
    }
    if (t.showscale === false) return;
    g.restore(); g.save();
    const x = this.m.l + this.inner[0] + 16, y0 = this.m.t, tall = this.inner[1];
    for (let k = 0; k < tall; k++) { g.fillStyle = mix(scale, 1 - k / tall); g.fillRect(x, y0 + k, 18, 1.5); }
    for (const u of [0, 0.25, 0.5, 0.75, 1]) {
      write(g, format(low + u * span, t.colorbar?.tickformat), x + 22, y0 + (1 - u) * tall, { size: SMALL, ya: "middle" });
    }
    const title = t.colorbar?.title?.text;
    if (title) write(g, title, x + 92, y0 + tall / 2, { xa: "center", ya: "top", angle: Math.PI / 2, size: SMALL });
  }
  shape(g, s) {
    const px = (ref, v) => {
      const a = this.axes[ref.split(" ")[0]];
      if (ref === "paper") return null;
      return ref.endsWith("domain") ? a.p0 + v * (a.p1 - a.p0) : a.px(v);
    };
    g.strokeStyle = s.line?.color || INK; g.lineWidth = s.line?.width || 1; g.setLineDash(DASH[s.line?.dash || "solid"]);
    g.beginPath(); g.moveTo(px(s.xref, s.x0), px(s.yref, s.y0)); g.lineTo(px(s.xref, s.x1), px(s.yref, s.y1)); g.stroke();
    g.setLineDash([]);
  }
  note(g, n) {
    const place = (ref, v, x) => {
      if (!ref || ref === "paper") return x ? this.m.l + v * this.inner[0] : this.m.t + (1 - v) * this.inner[1];
      const a = this.axes[ref.split(" ")[0]];
      return ref.endsWith("domain") ? a.p0 + v * (a.p1 - a.p0) : a.px(v);
    };
    const x = place(n.xref, n.x, true) + (n.xshift || 0), y = place(n.yref, n.y, false) - (n.yshift || 0);
    write(g, n.text, x, y, { size: n.font?.size || SIZE, color: n.font?.color || INK, xa: n.xanchor || "center", ya: n.yanchor || "middle",
      angle: n.textangle ? n.textangle * Math.PI / 180 : 0 });
  }
  legend(g) {
    let x = this.m.l;
    for (const t of this.traces) {
      if (!t.name || t.showlegend === false || t.type === "heatmap") continue;
      g.strokeStyle = t.line?.color || INK; g.lineWidth = t.line?.width || 2; g.setLineDash(DASH[t.line?.dash || "solid"]);
      g.beginPath(); g.moveTo(x, this.m.t - 16); g.lineTo(x + 42, this.m.t - 16); g.stroke(); g.setLineDash([]);
      write(g, t.name, x + 48, this.m.t - 16, { ya: "middle" });
      g.font = `${SIZE}px ${FONT}`;
      x += 48 + g.measureText(t.name).width + 24;
    }
  }
  // The nearest point of a trace that may be dragged, or the cell of a map that may be clicked.
  find(px, py, f, reach) {
    let best = null, least = reach;
    for (const t of this.traces) {
      if (!t.meta || !t.meta.drag) continue;
      const [X, Y] = this.of(t);
      if (px < X.p0 || px > X.p1 || py < Y.p1 || py > Y.p0) continue;
      for (let k = 0; k < t.x.cols; k++) {
        const [x, y] = this.at(t, f, k), d = Math.hypot(X.px(x) - px, Y.px(y) - py) * (t.meta.weight || 1);
        if (d < least) { least = d; best = { t, k, X, Y }; }
      }
    }
    return best;
  }
  under(px, py) {
    for (const t of this.traces) {
      const [X, Y] = this.of(t);
      if (t.meta?.click && px >= X.p0 && px <= X.p1 && py >= Y.p1 && py <= Y.p0) return { t, x: X.value(px), y: Y.value(py) };
    }
    return null;
  }
}

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "vq-stage";
  root.tabIndex = 0;
  root.setAttribute("role", "figure");
  root.setAttribute("aria-label", model.get("words") || "figure; space plays, arrows step");
  root.dataset.lmSuppressShortcuts = "true";    // JupyterLab would take the arrows and the space
  const style = document.createElement("style");
  style.textContent = STYLE;
  const canvas = document.createElement("canvas"), bar = document.createElement("div");
  bar.className = "vq-bar";
  const button = (text, label, act) => {
    const b = document.createElement("button");
    b.textContent = text; b.title = label; b.setAttribute("aria-label", label);
    b.onclick = act;
    bar.append(b);
    return b;
  };
  const g = canvas.getContext("2d");
  let picture = null, frame = 0, playing = false, since = 0, from = 0, tick = 0, queued = 0, hold = null, open = true;
  const last = () => picture.names.length - 1;
  button("|◀", "to the start (Home)", () => go(0, true));
  button("◀", "one step back (left arrow)", () => go(frame - 1, true));
  const playButton = button("▶", "play or pause (space)", () => play(!playing));
  button("▶|", "one step on (right arrow)", () => go(frame + 1, true));
  const slider = document.createElement("input");
  slider.type = "range"; slider.min = 0; slider.value = 0; slider.setAttribute("aria-label", "training step");
  slider.oninput = () => go(+slider.value, true);
  const label = document.createElement("span");
  bar.append(slider, label);
  const copy = (text, name) => {
    const b = document.createElement("button"), words = b.textContent = text;
    b.style.padding = "0 10px"; b.style.fontSize = SMALL + "px";
    const done = (said) => { b.textContent = said; setTimeout(() => { b.textContent = words; }, 1500); };
    b.onclick = async () => {
      const what = model.get(name);
      try { await navigator.clipboard.writeText(what); done("copied"); }
      catch { window.prompt(words, what); }    // a page that may not write to the clipboard
    };
    bar.append(b);
    const show = () => { b.style.display = model.get(name) ? "" : "none"; };
    model.on("change:" + name, show);
    show();
    return () => model.off("change:" + name, show);
  };
  const copies = [copy("copy as code", "code"), copy("share", "text")];
  root.append(style, canvas, bar);
  el.append(root);

  const paint = () => {
    queued = 0;
    if (!picture || !open) return;
    const begin = performance.now(), ratio = Math.min(2, window.devicePixelRatio || 1);
    const w = Math.round(picture.w * ratio), h = Math.round(picture.h * ratio);
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    canvas.style.width = picture.w * picture.shrink + "px"; canvas.style.height = picture.h * picture.shrink + "px";
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    picture.draw(g, frame);
    slider.value = frame;
    const names = picture.names;
    if (names.length) { label.textContent = `step ${names[frame]} of ${names[last()]}${picture.partial ? " …" : ""}`; slider.setAttribute("aria-valuetext", label.textContent); }
    playButton.textContent = playing ? "⏸" : "▶";
    root.dataset.frame = frame; root.dataset.ms = (performance.now() - begin).toFixed(2);
    root.dataset.painted = 1 + +(root.dataset.painted || 0);
  };
  const later = () => { queued ||= requestAnimationFrame(paint); };
  let told = 0;
  const go = (to, byHand) => {
    if (!picture) return;
    if (byHand) playing = false;
    frame = Math.max(0, Math.min(last(), to));
    later();
    clearTimeout(told);
    told = setTimeout(() => { if (open) { model.set("frame", frame); model.save_changes(); } }, 300);
  };
  const loop = (now) => {
    if (!playing || !open) return;
    const to = from + Math.floor((now - since) / (FILM / Math.max(40, picture.total || last())));
    if (to >= last()) {
      if (frame !== last()) go(last());
      if (!picture.partial) { playing = false; later(); return; }
      since = now; from = last();
    } else if (to !== frame) go(to);
    tick = requestAnimationFrame(loop);
  };
  const play = (yes) => {
    playing = yes && picture && last() > 0;
    if (playing) {
      if (frame >= last() && !picture.partial) frame = 0;
      from = frame; since = performance.now();
      cancelAnimationFrame(tick);
      tick = requestAnimationFrame(loop);
    }
    later();
  };
  let width = 0;
  const measure = () => {
    const now = Math.floor(el.clientWidth || el.parentElement?.clientWidth || 0);
    if (!now || !picture || now === width) return;
    width = now;
    picture.fit(width - 6);
    later();
    model.send({ kind: "width", width });
  };
  const load = () => {
    const scene = model.get("scene");
    if (!scene || !scene.data || !open) return;
    if (hold && !hold.t.meta.live) return;    // nothing moves under the hand; it is loaded on release
    const fresh = new Picture(scene), before = picture;
    fresh.partial = scene.partial; fresh.total = scene.total; fresh.version = scene.version;
    picture = fresh;
    picture.fit((width || 900) - 6);
    slider.max = Math.max(0, last());
    bar.style.display = picture.names.length > 1 ? "flex" : "none";
    root.dataset.version = scene.version; root.dataset.partial = scene.partial ? 1 : 0;
    if (hold) {
      const t = picture.traces[hold.t.i], [X, Y] = picture.of(t);
      hold = { ...hold, t, X, Y };
      if (hold.to) picture.moved[t.i + ":" + hold.k] = hold.to;
    }
    const same = before && before.version === scene.version;
    if (scene.start === "play" && !same) { frame = 0; play(true); }
    else if (!same) { frame = scene.start === "keep" ? Math.min(frame, last()) : Math.min(last(), scene.start ?? last()); if (playing) { from = frame; since = performance.now(); } }
    frame = Math.max(0, Math.min(frame, last()));
    later();
    if (!width) measure();
  };
  const spot = (e) => {
    const box = canvas.getBoundingClientRect();
    return [(e.clientX - box.left) / picture.shrink, (e.clientY - box.top) / picture.shrink];
  };
  let waiting = false, next = null;
  const tell = (message) => {    // one message at a time: what the kernel cannot follow is skipped
    if (waiting) { next = message; return; }
    waiting = true;
    model.send(message);
    setTimeout(() => { waiting = false; }, 3000);
  };
  const answered = (message) => {
    if (message.kind !== "done") return;
    waiting = false;
    if (next) { const m = next; next = null; tell(m); }
  };
  canvas.onpointerdown = (e) => {
    if (!picture) return;
    root.focus({ preventScroll: true });
    const [x, y] = spot(e), found = picture.find(x, y, frame, e.pointerType === "touch" ? 26 : 15);
    if (found) {
      hold = found; playing = false;
      canvas.setPointerCapture(e.pointerId);
      e.preventDefault();
    } else {
      const cell = picture.under(x, y);
      if (cell) tell({ kind: "click", trace: cell.t.i, name: cell.t.meta.click, x: cell.x, y: cell.y });
    }
  };
  canvas.onpointermove = (e) => {
    if (!picture) return;
    const [x, y] = spot(e);
    if (!hold) {
      canvas.style.cursor = picture.find(x, y, frame, 15) ? "grab" : picture.under(x, y) ? "pointer" : "default";
      return;
    }
    canvas.style.cursor = "grabbing";
    const { t, k, X, Y } = hold, group = t.meta.group;
    const to = [X.value(Math.max(X.p0, Math.min(X.p1, x))), Y.value(Math.max(Y.p1, Math.min(Y.p0, y)))];
    if (group) {    // the whole cluster comes along
      const a = [rowOf(t.x, frame), rowOf(t.y, frame)], dx = to[0] - a[0][k], dy = to[1] - a[1][k];
      for (let j = 0; j < t.x.cols; j++) if (group[j] === group[k]) picture.moved[t.i + ":" + j] = [a[0][j] + dx, a[1][j] + dy];
      hold.by = [dx, dy];
    } else picture.moved[t.i + ":" + k] = to;
    hold.to = to;
    later();
    if (t.meta.live) tell({ kind: "drag", name: t.meta.drag, point: k, x: to[0], y: to[1], done: false });
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (!hold) return;
    const { t, k, to, by } = hold;
    hold = null;
    if (to) tell({ kind: "drag", name: t.meta.drag, point: k, x: to[0], y: to[1], by: by || null, group: t.meta.group ? t.meta.group[k] : null, frame, done: true });
    else load();
  };
  root.onkeydown = (e) => {
    const keys = { " ": () => play(!playing), ArrowLeft: () => go(frame - 1, true), ArrowRight: () => go(frame + 1, true),
      Home: () => go(0, true), End: () => go(last(), true), PageUp: () => go(frame - 10, true), PageDown: () => go(frame + 10, true) };
    if (!keys[e.key] || !picture || last() < 1 || (e.key === " " && e.target.tagName === "BUTTON")) return;
    keys[e.key]();
    e.preventDefault(); e.stopPropagation();
  };
  const watch = new ResizeObserver(measure);
  watch.observe(el);
  // The picture that a notebook without a kernel shows stands in the next output: not twice.
  const hide = () => {
    const other = el.closest(".jp-OutputArea-child")?.nextElementSibling;
    if (other?.querySelector(".jp-OutputArea-output:not(.jp-widgets)")) other.style.display = "none";
  };
  let tries = 0;
  const hiding = setInterval(() => { hide(); if (++tries > 100) clearInterval(hiding); }, 100);
  model.on("change:scene", load);
  model.on("msg:custom", answered);
  load();
  measure();
  return () => {
    open = false; playing = false;
    watch.disconnect();
    clearInterval(hiding); clearTimeout(told);
    cancelAnimationFrame(tick); cancelAnimationFrame(queued);
    copies.forEach(off => off());
    model.off("change:scene", load); model.off("msg:custom", answered);
  };
}
export default { render };
