// Draws a scene of vqlab.plots on a canvas: what a plotly figure describes, as far as the explorers use
// it, some fifty times faster, so that a film can be scrubbed and a point dragged without waiting.
// A moving trace holds x and y of all frames in one array, a row each; nothing asks the kernel.

class Picture extends Traces {
  constructor(scene) {
    super();
    this.layout = scene.layout;
    this.names = scene.frames || [];
    this.traces = scene.data.map((t, i) => ({ ...t, i, x: numbers(t.x), y: numbers(t.y), z: t.z && numbers(t.z),
      size: t.marker && t.marker.size != null && typeof t.marker.size !== "number" ? numbers(t.marker.size) : null }));
    this.veiled = false;
    this.most = scene.most || 1;    // how large it may get where it shares the screen with another
    this.moved = {};    // what the hand holds now: "trace:point" -> [x, y]
  }
  fit(avail) {
    const L = this.layout, m = { l: 72, r: 24, t: 64, b: 60, ...L.margin };
    if (this.traces.some(t => t.type === "heatmap" && t.showscale !== false)) m.r += 100;
    const wide = L.width - m.l - m.r, tall = L.height - m.t - m.b;
    const s = Math.max(0.5, Math.min(this.most, (avail - m.l - m.r) / wide));
    // Whole pixels: the browser would stretch the canvas, and blur it.
    this.m = m; this.w = Math.round(wide * s) + m.l + m.r; this.h = Math.round(tall * s) + m.t + m.b;
    this.inner = [Math.round(wide * s), Math.round(tall * s)];
    this.shrink = Math.max(0.8, Math.min(1, avail / this.w));    // smaller, nobody could read it: then it is moved sideways
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
