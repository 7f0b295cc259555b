
// The charts: drawn once; the style gives them their colours, whichever scheme and on paper.
const views = [];
const places = [...document.querySelectorAll("[data-chart]")];
const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true };

async function draw(place) {
  const text = document.getElementById(`spec-${place.dataset.chart}`).textContent;
  const { view } = await vegaEmbed(place, JSON.parse(text), options);
  views.push(view);
}

function choose(scenario) {
  return Promise.all(views
    .filter((view) => "scenario" in view.getState({ signals: (name) => name === "scenario" }).signals)
    .map((view) => view.signal("scenario", scenario).runAsync()));
}

const select = document.getElementById("scenario");
select?.addEventListener("change", () => choose(select.value));

Promise.all(places.map(draw))
  // A browser may have kept another choice from before a reload.
  .then(() => select && choose(select.value))
  .then(() => { document.documentElement.dataset.drawn = String(views.length); })
  .catch((error) => console.error(error));
