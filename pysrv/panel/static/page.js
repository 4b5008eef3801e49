"use strict";
// Fetches the page again and again and puts the new <main> in the place of the old one. The server has escaped
// everything; nothing is built from text here.
(() => {
  const freshness = document.getElementById("freshness");
  const pause = 1000 * Number(document.querySelector("main").dataset.refresh);
  let failures = 0;

  async function refresh() {
    if (document.hidden) return setTimeout(refresh, pause);
    try {
      const answer = await fetch(location.origin, { cache: "no-store", headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
      document.querySelector("header p").textContent = page.querySelector("header p").textContent;
      document.title = page.title;
      failures = 0;
      freshness.textContent = "";
      freshness.className = "";
    } catch {
      failures += 1;
      freshness.textContent = "No answer from the appliance: these figures are old.";
      freshness.className = "stale";
    }
    return setTimeout(refresh, Math.min(30000, pause * 2 ** Math.min(failures, 4)));
  }

  setTimeout(refresh, pause);
})();
