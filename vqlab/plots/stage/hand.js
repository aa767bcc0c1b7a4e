// Play, step, scrub and drag.

const FILM = 6000;    // milliseconds that a whole film takes
const LOST = "The kernel behind these controls is gone: run the cell again for new runs. Play and scrub still work.";

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
  const lost = document.createElement("div");
  lost.className = "vq-lost"; lost.hidden = true;
  lost.textContent = LOST; lost.setAttribute("role", "status");
  const bet = guessing({
    picture: () => picture, ended: () => frame >= last(), start: () => go(0, true), later: () => later(),
    play: () => { root.focus({ preventScroll: true }); play(true); },
    predict: (act) => button("predict", "guess first, then play", act),
  });
  const copies = [copy("copy as code", "code"), copy("share", "text")];
  root.append(style, canvas, bar, bet.line, lost);
  el.append(root);

  const paint = () => {
    queued = 0;
    if (!picture || !open) return;
    const begin = performance.now(), ratio = Math.min(2, window.devicePixelRatio || 1);
    const w = Math.round(picture.w * ratio), h = Math.round(picture.h * ratio);
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    canvas.style.width = picture.w * picture.shrink + "px"; canvas.style.height = picture.h * picture.shrink + "px";
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    picture.veiled = bet.veils();
    picture.draw(g, frame);
    bet.answer();
    slider.value = frame;
    const names = picture.names;
    if (names.length) { label.textContent = `step ${names[frame]} of ${names[last()]}${picture.partial ? " …" : ""}`; slider.setAttribute("aria-valuetext", label.textContent); }
    playButton.textContent = playing ? "❚❚" : "▶";
    root.dataset.frame = frame; root.dataset.ms = (performance.now() - begin).toFixed(2);
    root.dataset.painted = 1 + +(root.dataset.painted || 0);
  };
  const later = () => { queued ||= requestAnimationFrame(paint); };
  // A restarted kernel leaves a picture that nothing answers any more: it is said, not thrown.
  const alive = (act) => {
    try {
      act();
      lost.hidden = !root.closest(".jupyter-widgets-disconnected");    // so its manager marks it
    } catch { lost.hidden = false; }
    return lost.hidden;
  };
  const check = () => setTimeout(alive, 0, () => {});    // after the manager has marked it
  const go = (to, byHand) => {
    if (!picture) return;
    if (byHand) playing = false;
    if (to > 0 && bet.waits()) { to = 0; playing = false; }
    frame = Math.max(0, Math.min(last(), to));
    later();
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
    playing = yes && picture && last() > 0 && !bet.waits();
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
    alive(() => model.send({ kind: "width", width }));
  };
  const load = () => {
    const scene = model.get("scene");
    if (!scene || !scene.data || !open) return;
    if (hold && !hold.t.meta.live) return;    // nothing moves under the hand; it is loaded on release
    const fresh = new Picture(scene), before = picture;
    fresh.partial = scene.partial; fresh.total = scene.total; fresh.version = scene.version; fresh.ask = scene.ask;
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
    if (bet.load(!same && scene.start !== "keep")) { frame = 0; playing = false; }
    else if (scene.start === "play" && !same) { frame = 0; play(true); }
    else if (!same) { frame = scene.start === "keep" ? Math.min(frame, last()) : Math.min(last(), scene.start ?? last()); if (playing) { from = frame; since = performance.now(); } }
    frame = Math.max(0, Math.min(frame, last()));
    later();
    if (!width) measure();
  };
  const spot = (e) => {
    const box = canvas.getBoundingClientRect();
    return [(e.clientX - box.left) / picture.shrink, (e.clientY - box.top) / picture.shrink];
  };
  let waiting = false, next = null, patience = 0;
  const tell = (message) => {    // one message at a time: what the kernel cannot follow is skipped
    if (waiting) { next = message; return; }
    waiting = true;
    if (!alive(() => model.send(message))) { waiting = false; picture.moved = {}; later(); return; }
    clearTimeout(patience);
    patience = setTimeout(() => { waiting = false; }, 3000);
  };
  const answered = (message) => {
    if (message.kind !== "done") return;
    waiting = false;
    if (next) { const m = next; next = null; tell(m); }
  };
  canvas.onpointerdown = (e) => {
    if (!picture) return;
    root.focus({ preventScroll: true });
    const [x, y] = spot(e), found = lost.hidden && picture.find(x, y, frame, e.pointerType === "touch" ? 26 : 15);
    if (found) {
      hold = found; playing = false;
      canvas.setPointerCapture(e.pointerId);
      e.preventDefault();
    } else {
      const cell = picture.under(x, y);
      if (cell) tell({ kind: "click", trace: cell.t.i, name: cell.t.meta.click, x: cell.x, y: cell.y });
    }
  };
  // A finger on a code drags it; anywhere else it scrolls the page.
  canvas.addEventListener("touchstart", (e) => { if (hold) e.preventDefault(); }, { passive: false });
  canvas.onpointermove = (e) => {
    if (!picture) return;
    const [x, y] = spot(e);
    if (!hold) {
      canvas.style.cursor = !lost.hidden ? "default" : picture.find(x, y, frame, 15) ? "grab" : picture.under(x, y) ? "pointer" : "default";
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
    if (t.meta.live) tell({ kind: "drag", name: t.meta.drag, point: k, x: to[0], y: to[1] });
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (!hold) return;
    const { t, k, to, by } = hold;
    hold = null;
    if (to) tell({ kind: "drag", name: t.meta.drag, point: k, x: to[0], y: to[1], by: by || null, group: t.meta.group ? t.meta.group[k] : null });
    else load();
  };
  root.onkeydown = (e) => {
    const keys = { " ": () => play(!playing), ArrowLeft: () => go(frame - 1, true), ArrowRight: () => go(frame + 1, true),
      Home: () => go(0, true), End: () => go(last(), true), PageUp: () => go(frame - 10, true), PageDown: () => go(frame + 10, true) };
    if (e.altKey || e.ctrlKey || e.metaKey) return;    // the browser's own, such as one page back
    if (!keys[e.key] || !picture || last() < 1 || (e.key === " " && e.target.tagName === "BUTTON")) return;
    keys[e.key]();
    e.preventDefault(); e.stopPropagation();
  };
  const watch = new ResizeObserver(measure);
  watch.observe(el);
  let screen = null;
  const sharpen = () => {    // on another screen pixels may be finer at the same width
    screen?.removeEventListener("change", sharpen);
    screen = matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    screen.addEventListener("change", sharpen);
    later();
  };
  // The picture that a notebook without a kernel shows stands in the next output: not twice.
  const hide = () => {
    const other = el.closest(".jp-OutputArea-child")?.nextElementSibling;
    if (other?.querySelector(".jp-OutputArea-output:not(.jp-widgets)")) other.style.display = "none";
  };
  let tries = 0;
  const hiding = setInterval(() => { hide(); if (++tries > 100) clearInterval(hiding); }, 100);
  model.on("change:scene", load);
  model.on("msg:custom", answered);
  model.on("comm_live_update", check);
  load();
  measure();
  sharpen();
  return () => {
    open = false; playing = false;
    watch.disconnect();
    screen?.removeEventListener("change", sharpen);
    clearInterval(hiding); clearTimeout(patience);
    cancelAnimationFrame(tick); cancelAnimationFrame(queued);
    copies.forEach(off => off());
    model.off("change:scene", load); model.off("msg:custom", answered);
    model.off("comm_live_update", check);
  };
}
export default { render };
