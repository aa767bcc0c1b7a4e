// Borders of cells and ticks of axes.

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
