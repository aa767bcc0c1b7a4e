// A figure is a picture until it comes near the screen, and then moves; a little too wide, it is drawn
// smaller. On a narrow screen, where that would leave nothing to read, it stays the picture until it
// is asked for: then it moves at its own size, in a box to scroll.
const here = document.currentScript.src;
const narrow = matchMedia("(max-width: 700px)");
const SMALLEST = 0.7;
let library = null;

function plotly() {
  library ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = new URL("plotly.min.js", here);
    script.onload = () => done(window.Plotly);
    script.onerror = failed;
    document.head.append(script);
  });
  return library;
}

async function move(figure) {
  if (figure.dataset.state) return;
  figure.dataset.state = "loading";
  const Plotly = await plotly();
  const { data, layout, frames } = JSON.parse(figure.querySelector("script").textContent);
  const stage = document.createElement("div");
  figure.append(stage);
  await Plotly.newPlot(stage, data, layout, { displaylogo: false, showSendToCloud: false });
  if (frames) await Plotly.addFrames(stage, frames);
  figure.querySelector("img")?.remove();
  figure.querySelector("button")?.remove();
  figure.dataset.state = "moving";
  new ResizeObserver(() => fit(figure, stage, layout)).observe(figure);
}

function fit(figure, stage, layout) {
  const { width = 700, height = 450 } = layout;    // plotly's own, where a figure has none
  const scale = Math.min(1, figure.clientWidth / width);
  const smaller = scale < 1 && scale > SMALLEST;
  stage.style.transform = smaller ? `scale(${scale})` : "";
  stage.style.width = `${width}px`;
  figure.style.overflow = smaller ? "hidden" : "";
  figure.style.height = smaller ? `${scale * height}px` : "";
}

function begin() {
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      move(target);
    }
  }, { rootMargin: "300px" });
  for (const figure of document.querySelectorAll("figure.moving")) {
    if (!narrow.matches) {
      near.observe(figure);
      continue;
    }
    const button = document.createElement("button");
    button.textContent = figure.dataset.frames ? "play, at full size" : "at full size";
    button.onclick = () => move(figure);
    figure.append(button);
  }
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
else begin();
