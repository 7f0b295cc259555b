"use strict";
for (const figure of document.querySelectorAll("figure.timeline")) {
  const svg = figure.querySelector("svg");
  const whole = svg.viewBox.baseVal;
  const home = { x: whole.x, y: whole.y, width: whole.width, height: whole.height };
  let view = { ...home };

  function show(next) {
    view = next;
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  }

  // Keeps the point at these shares of the picture where it is.
  function zoom(factor, across = 0.5, down = 0.5) {
    const width = Math.min(home.width, Math.max(home.width / 20, view.width / factor));
    const height = width * home.height / home.width;
    show({
      x: view.x + (view.width - width) * across,
      y: view.y + (view.height - height) * down,
      width, height,
    });
  }

  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 300),
      (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, { passive: false });

  let from = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    from = { x: event.clientX, y: event.clientY, view };
    svg.setPointerCapture(event.pointerId);
    svg.classList.add("dragged");
  });
  svg.addEventListener("pointermove", (event) => {
    if (!from) return;
    const scale = view.width / svg.getBoundingClientRect().width;
    show({ ...view,
      x: from.view.x - (event.clientX - from.x) * scale,
      y: from.view.y - (event.clientY - from.y) * scale });
  });
  for (const end of ["pointerup", "pointercancel"]) {
    svg.addEventListener(end, () => { from = null; svg.classList.remove("dragged"); });
  }
  svg.addEventListener("dblclick", () => show({ ...home }));
  figure.querySelector(".closer").addEventListener("click", () => zoom(1.4));
  figure.querySelector(".farther").addEventListener("click", () => zoom(1 / 1.4));
  figure.querySelector(".home").addEventListener("click", () => show({ ...home }));

  // An event lights up wherever it is told of.
  const told = [...figure.parentElement.querySelectorAll("[data-event]")];
  for (const one of told) {
    for (const [what, lit] of [["pointerenter", true], ["pointerleave", false]]) {
      one.addEventListener(what, () => {
        for (const other of told) {
          if (other.dataset.event === one.dataset.event) other.classList.toggle("lit", lit);
        }
      });
    }
  }
}
