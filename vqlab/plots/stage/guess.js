// Predict, then reveal: a number before the film, the truth at its end. Until then no curve shows what comes.

function guessing({ picture, ended, start, later, play, predict }) {
  const line = document.createElement("div"), field = document.createElement("input");
  line.className = "vq-line"; line.hidden = true; line.setAttribute("role", "status");
  field.type = "number"; field.min = 0; field.setAttribute("aria-label", "your guess");
  let on = false, said = null;
  const about = () => on && picture()?.ask;
  const focus = () => field.focus({ preventScroll: true });
  const ask = () => {
    said = null; field.value = "";
    line.hidden = !about();
    if (line.hidden) return;
    field.max = about().of;
    line.replaceChildren(`How many of ${about().of} codes will be in use at the end?`, field, "Enter plays.");
  };
  field.onkeydown = (e) => {
    e.stopPropagation();    // digits and arrows belong to the number
    if (e.key !== "Enter" || field.value === "" || !field.checkValidity()) return;
    said = +field.value;
    line.replaceChildren(`You said ${said} of ${about().of}.`);
    play();
  };
  const button = predict(() => {
    on = !on;
    button.setAttribute("aria-pressed", on);
    ask();
    if (on) { start(); focus(); }
    later();
  });
  button.style.cssText = `padding:0 10px;font-size:${SMALL}px`;
  button.setAttribute("aria-pressed", false);
  return {
    line,
    // Whether the film has to wait for a number.
    waits() {
      const open = !!about() && said === null;
      if (open) focus();
      return open;
    },
    veils: () => !!about() && (said === null || !ended() || picture().partial),
    answer() {
      if (!about() || said === null || !ended() || picture().partial) return;
      line.replaceChildren(`You said ${said} of ${about().of}. It is ${about().truth}.`);
    },
    // Another run: whether it is asked again.
    load(fresh) {
      button.style.display = picture().ask ? "" : "none";
      if (fresh && about()) ask();
      return fresh && !!about();
    },
  };
}
