"use strict";
// Keeps parts of a page fresh: an element with data-refresh="SECONDS" is fetched again with its page and replaced. The
// server has escaped everything; nothing is built from text here. What the reader is using right now stays.
(() => {
  const STALE_AFTER = 3;
  let failures = 0;

  function inUse(part) {
    return document.hidden || part.contains(document.activeElement) || part.querySelector("details[open].keep");
  }

  async function refresh(id, pause) {
    const part = document.getElementById(id);
    if (!part) return;
    if (!inUse(part)) {
      try {
        const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
        if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById(id);
        if (fresh) part.replaceWith(document.adoptNode(fresh));
        failures = 0;
      } catch {
        failures += 1;
      }
      document.body.classList.toggle("stale", failures >= STALE_AFTER);
    }
    setTimeout(refresh, Math.min(30000, pause * 2 ** Math.min(failures, 4)), id, pause);
  }

  // A form that is under way is not sent again: the server would take it once all the same. Its own button has been read
  // when the next task runs. What answers with a file leaves the page, so the buttons come back.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    const buttons = [...event.target.querySelectorAll("button:not([disabled])")];
    setTimeout(() => { for (const each of buttons) each.disabled = true; }, 0);
    setTimeout(() => { for (const each of buttons) each.disabled = false; }, 10000);
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) for (const each of document.querySelectorAll("form button")) each.disabled = false;
  });
  // The appliance's clock beside its zone: it goes on from the time that the page was made with.
  function clock(told) {
    const ahead = 1000 * Number(told.dataset.now) - Date.now();
    const words = new Intl.DateTimeFormat("sv-SE", { timeZone: told.dataset.zone, dateStyle: "short", timeStyle: "short" });
    setInterval(() => {
      told.querySelector("time").textContent = words.format(Date.now() + ahead);
    }, 5000);
  }

  const told = document.getElementById("clock");
  if (told) clock(told);

  for (const part of document.querySelectorAll("[data-refresh][id]")) {
    const pause = 1000 * Number(part.dataset.refresh);
    setTimeout(refresh, pause, part.id, pause);
  }
})();
