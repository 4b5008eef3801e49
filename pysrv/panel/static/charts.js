"use strict";
// Draws the dashboard's charts anew with every sample: all of them once from a JSON address, then one by one as
// server-sent events; where those do not come, the JSON again now and then. The same rules as pysrv/panel/pages/charts.py.
(() => {
  const WIDTH = 600, HEIGHT = 120, POLL_MS = 5000, SVG = "http://www.w3.org/2000/svg";
  const place = document.getElementById("charts");
  if (!place) return;
  const span = Number(place.dataset.span);
  const words = document.getElementById("attack");
  const written = new Intl.NumberFormat(document.documentElement.lang, { maximumSignificantDigits: 4 });
  let samples = [], attacks = [];

  function value(sample, key, currency) {
    if (key !== "spend") return sample[key];
    return sample.spend.reduce((sum, each) => sum + (each.currency === currency ? each.micro : 0), 0) * 3600 / 1e6;
  }

  function nice(most) {
    let step = 1e-6;
    for (let turn = 0; step < most; turn += 1) step = Number((step * (turn % 3 === 1 ? 2.5 : 2)).toFixed(9));
    return step;
  }

  function drawMarks(group, now) {
    group.replaceChildren();
    for (const attack of attacks.filter((each) => now - each.began_at < span)) {
      const line = document.createElementNS(SVG, "line");
      const x = Math.max(0, WIDTH * (1 - (now - attack.began_at) / span)).toFixed(1);
      for (const [name, where] of [["x1", x], ["x2", x], ["y1", 0], ["y2", HEIGHT]]) line.setAttribute(name, where);
      line.setAttribute("class", "mark");
      group.append(line);
    }
  }

  function draw() {
    if (!samples.length) return;
    const last = samples[samples.length - 1];
    for (const figure of place.querySelectorAll("[data-chart]")) {
      const currency = figure.dataset.currency || (last.spend[0] ? last.spend[0].currency : "");
      const lines = [...figure.querySelectorAll("[data-key]")];
      const most = Math.max(...lines.map((line) => Math.max(...samples.map((each) => value(each, line.dataset.key, currency)))));
      const top = nice(Math.max(most, Number(figure.dataset.least)));
      for (const line of lines) {
        const key = line.dataset.key;
        line.setAttribute("points", samples.map((each) => {
          const x = Math.max(0, WIDTH * (1 - (last.at - each.at) / span));
          return `${x.toFixed(1)},${(HEIGHT * (1 - value(each, key, currency) / top)).toFixed(1)}`;
        }).join(" "));
        figure.querySelector(`[data-last="${key}"]`).textContent = written.format(value(last, key, currency));
      }
      figure.querySelector("[data-top]").textContent = written.format(top);
      if (figure.dataset.chart === "packets") drawMarks(figure.querySelector("[data-marks]"), last.at);
    }
    for (const each of document.querySelectorAll("[data-figure]")) each.textContent = written.format(last[each.dataset.figure]);
  }

  function take(told) {
    const newest = samples.length ? samples[samples.length - 1].at : 0;
    samples = samples.concat(told.samples.filter((each) => each.at > newest));
    const now = samples.length ? samples[samples.length - 1].at : 0;
    samples = samples.filter((each) => now - each.at <= span);
    attacks = told.attacks;
    if (words.textContent !== told.words) words.textContent = told.words;
    words.hidden = !told.words;
    document.body.classList.remove("stale");
    draw();
  }

  async function ask() {
    try {
      const answer = await fetch(place.dataset.json, { cache: "no-store" });
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      take(await answer.json());
    } catch {
      document.body.classList.add("stale");
    }
  }

  function listen() {
    const events = new EventSource(place.dataset.events);
    events.onmessage = (event) => take(JSON.parse(event.data));
    events.onerror = () => {
      if (events.readyState === EventSource.CLOSED) setInterval(ask, POLL_MS);
    };
    addEventListener("pagehide", () => events.close());
  }

  ask().then(listen);
})();
