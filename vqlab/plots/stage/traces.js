// Draws one trace: lines, markers, cells, bars, a heat map.

class Traces {
  trace(g, t, f) {
    const [X, Y] = this.of(t);
    g.save();
    g.globalAlpha = t.opacity ?? 1;
    if (this.veiled && t.meta?.over) {    // what comes after this frame is not shown to who has to guess it
      g.beginPath(); g.rect(X.p0 - 6, Y.p1 - 6, X.px(+this.names[f]) - X.p0 + 8, Y.p0 - Y.p1 + 12); g.clip();
    } else if (t.cliponaxis !== false) { g.beginPath(); g.rect(X.p0 - 1, Y.p1 - 1, X.p1 - X.p0 + 2, Y.p0 - Y.p1 + 2); g.clip(); }
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
}
