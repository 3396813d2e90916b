/* The page's own behaviour: opening cited places, examples, theme, sign-out, and labels for screen
   readers. Text from the server is only ever set as textContent; nothing here builds HTML from it. */
(() => {
  "use strict";

  const byId = (id) => document.getElementById(id);
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const button = (className, label, text) => {
    const node = make("button", className, text);
    node.type = "button";
    node.setAttribute("aria-label", label);
    node.title = label;
    return node;
  };
  const narrow = () => window.matchMedia("(max-width: 899px)").matches;
  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  /* ---- theme: the system's choice, unless the reader chose ---- */

  const storedTheme = () => {
    try { return localStorage.getItem("cloister-theme"); } catch { return null; }
  };
  const applyTheme = () => {
    const system = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const dark = (storedTheme() ?? system) === "dark";
    document.documentElement.classList.toggle("dark", dark);
    document.body?.classList.toggle("dark", dark);
  };
  const switchTheme = () => {
    const next = document.documentElement.classList.contains("dark") ? "light" : "dark";
    try { localStorage.setItem("cloister-theme", next); } catch { /* private mode: this page only */ }
    applyTheme();
  };

  /* ---- the cited place, beside the conversation ---- */

  const viewer = { key: null, keys: [], opener: null, large: false, asked: 0 };

  function buildViewer() {
    const root = make("aside");
    root.id = "cl-viewer";
    root.hidden = true;
    root.setAttribute("aria-labelledby", "cl-viewer-title");
    const bar = make("header");
    const words = make("div", "words");
    const title = make("h2");
    title.id = "cl-viewer-title";
    words.append(title, make("p", "where"));
    const tools = make("div", "tools");
    const previous = button("icon previous", "Previous source");
    const count = make("span", "count");
    const next = button("icon next", "Next source");
    const size = button("icon zoom", "Larger");
    const close = button("icon close", "Close the page");
    previous.addEventListener("click", () => step(-1));
    next.addEventListener("click", () => step(1));
    size.addEventListener("click", () => { viewer.large = !viewer.large; sizePage(); aim(); });
    close.addEventListener("click", closeViewer);
    tools.append(previous, count, next, size, close);
    bar.append(words, tools);
    const sheet = make("div", "sheet");
    sheet.tabIndex = 0;
    sheet.setAttribute("role", "region");
    sheet.setAttribute("aria-label", "The cited page");
    const status = make("p", "status");
    status.setAttribute("role", "status");
    root.append(bar, status, sheet);
    root.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft" && event.altKey === false && event.target !== sheet) step(-1);
      if (event.key === "ArrowRight" && event.altKey === false && event.target !== sheet) step(1);
      if (event.key === "Tab" && narrow()) keepFocus(event, root);
    });
    document.body.append(root);
    return root;
  }

  /* On a phone the page covers the conversation, so the focus stays within it. */
  function keepFocus(event, root) {
    const stops = [...root.querySelectorAll("button:not([disabled]), [tabindex='0']")];
    const edge = event.shiftKey ? stops[0] : stops[stops.length - 1];
    if (document.activeElement === edge) {
      event.preventDefault();
      (event.shiftKey ? stops[stops.length - 1] : stops[0]).focus();
    }
  }

  const panel = () => byId("cl-viewer") ?? buildViewer();

  function keysBeside(node) {
    const turn = node.closest(".turn");
    const found = turn ? [...turn.querySelectorAll("button.source")] : [];
    const all = found.length ? found : turn ? [...turn.querySelectorAll("button.chip")] : [node];
    return [...new Set(all.map((item) => item.value))];
  }

  function openPlace(node) {
    viewer.keys = keysBeside(node);
    viewer.opener = node.value;
    show(node.value, true);
  }

  function step(by) {
    const at = viewer.keys.indexOf(viewer.key) + by;
    if (at >= 0 && at < viewer.keys.length) show(viewer.keys[at], false);
  }

  function markChosen() {
    for (const node of document.querySelectorAll("button.chip, button.source")) {
      const chosen = viewer.key !== null && node.value === viewer.key;
      node.classList.toggle("chosen", chosen);
      node.setAttribute("aria-expanded", String(chosen));
    }
  }

  async function show(key, focus) {
    const root = panel();
    const asked = ++viewer.asked;
    viewer.key = key;
    root.hidden = false;
    document.body.classList.add("cl-open");
    root.setAttribute("role", narrow() ? "dialog" : "complementary");
    if (narrow()) root.setAttribute("aria-modal", "true"); else root.removeAttribute("aria-modal");
    const at = viewer.keys.indexOf(key);
    root.querySelector(".count").textContent = `${at + 1} of ${viewer.keys.length}`;
    root.classList.toggle("single", viewer.keys.length < 2);
    root.querySelector(".previous").disabled = at <= 0;
    root.querySelector(".next").disabled = at >= viewer.keys.length - 1;
    root.classList.add("loading");
    markChosen();
    let place = null;
    try {
      const reply = await fetch(`/cloister/place/${key}`, { credentials: "same-origin" });
      if (reply.status === 401) { location.assign("/"); return; }
      place = await reply.json();
    } catch {
      place = { sentence: "The page could not be fetched; is Cloister still running?" };
    }
    if (asked !== viewer.asked) return;
    draw(root, place);
    if (focus) root.querySelector(".close").focus({ preventScroll: true });
  }

  function draw(root, place) {
    root.classList.remove("loading");
    const sheet = root.querySelector(".sheet");
    sheet.replaceChildren();
    root.querySelector("#cl-viewer-title").textContent = place.title ?? "The page cannot be shown";
    root.querySelector(".where").textContent = place.where ?? "";
    root.querySelector(".status").textContent = place.sentence ?? "";
    root.querySelector(".zoom").hidden = place.kind !== "image";
    if (place.kind === "image") sheet.append(drawImage(place));
    if (place.kind === "text") sheet.append(drawText(place));
    sizePage();
    aim();
  }

  function drawImage(place) {
    const figure = make("figure", "page");
    const image = make("img");
    image.alt = `${place.title}, ${place.where}. Highlighted: ${place.quote}`;
    image.width = place.width;
    image.height = place.height;
    image.addEventListener("load", aim);
    image.src = place.image;
    figure.append(image);
    for (const box of place.boxes) {
      const mark = make("span", "mark");
      for (const side of ["left", "top", "width", "height"]) mark.style[side] = `${box[side] * 100}%`;
      figure.append(mark);
    }
    return figure;
  }

  function drawText(place) {
    const paper = make("div", "paper");
    for (const part of place.segments) paper.append(make(part.mark ? "mark" : "span", "", part.text));
    return paper;
  }

  function sizePage() {
    const root = panel();
    root.classList.toggle("large", viewer.large);
    const zoom = root.querySelector(".zoom");
    zoom.setAttribute("aria-pressed", String(viewer.large));
    zoom.title = viewer.large ? "Fit the width" : "Larger";
  }

  /* Brings the first highlight to a third of the sheet's height. */
  function aim() {
    const sheet = panel().querySelector(".sheet");
    const mark = sheet.querySelector(".mark, mark");
    if (!mark) return;
    const offset = mark.getBoundingClientRect().top - sheet.getBoundingClientRect().top;
    sheet.scrollTo({ top: sheet.scrollTop + offset - sheet.clientHeight / 3 });
    const across = mark.getBoundingClientRect().left - sheet.getBoundingClientRect().left;
    if (across < 0 || across > sheet.clientWidth) sheet.scrollLeft += across - 24;
  }

  function closeViewer() {
    const root = panel();
    root.hidden = true;
    document.body.classList.remove("cl-open");
    const back = [...document.querySelectorAll("button.chip, button.source")]
      .find((node) => node.value === (viewer.opener ?? viewer.key));
    viewer.key = null;
    viewer.asked += 1;
    markChosen();
    back?.focus({ preventScroll: true });
  }

  /* ---- the composer ---- */

  const composer = () => document.querySelector("#cl-question textarea");

  function fillAndPress(box, text, name) {
    const kind = box instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(box, text);
    box.dispatchEvent(new Event("input", { bubbles: true }));
    setTimeout(() => byId(name)?.click(), 60); // after Gradio has taken the text over
  }

  function askExample(node) {
    const box = composer();
    if (box && !box.disabled) fillAndPress(box, node.textContent, "cl-ask");
  }

  /* Puts the question of a turn to every document; the server knows which question that is. */
  function sweep(node) {
    const box = document.querySelector("#cl-turn :is(input, textarea)");
    if (box && !composer()?.disabled) fillAndPress(box, node.value, "cl-sweep");
  }

  /* Asks an earlier question of this reader's again. */
  function askAgain(node) {
    const asked = node.closest("li")?.querySelector(".asked");
    const box = composer();
    if (asked && box && !box.disabled) fillAndPress(box, asked.textContent, "cl-ask");
  }

  /* Puts a notice away; the server knows whose it is. */
  function putAway(node) {
    const box = document.querySelector("#cl-notice :is(input, textarea)");
    if (box) fillAndPress(box, node.value, "cl-dismiss");
  }

  /* The day that questions are about; an empty field is today, and says so to a screen reader. */
  function dayField() {
    const field = document.querySelector("#cl-day :is(input, textarea)");
    if (!field || field.type === "date") return;
    field.type = "date";
    field.title = "Answer from what was in force on this day; leave it empty for today";
    field.setAttribute("aria-label", "Answer as of this day, empty for today");
    const mark = () => field.classList.toggle("today", field.value === "");
    field.addEventListener("input", mark);
    mark();
  }

  async function signOut() {
    try { await fetch("/signout", { method: "POST", credentials: "same-origin" }); } finally {
      location.assign("/");
    }
  }

  /* ---- what Gradio's page lacks for keyboard and screen reader ---- */

  let wasBusy = false;
  let told = "";
  let held = null;

  /* Each row that comes draws the live turn anew: what had the focus in it gets it back. */
  function keepPlace() {
    if (held && !held.isConnected && document.activeElement === document.body) {
      const same = (node) => node.className.split(" ")[0] === held.className.split(" ")[0];
      [...document.querySelectorAll("#cl-live button")]
        .find((node) => node.value === held.value && same(node))?.focus({ preventScroll: true });
    }
  }
  document.addEventListener("focusin", (event) => {
    held = event.target instanceof Element ? event.target.closest("#cl-live button") : null;
  });

  /* Waiting for the model is said aloud, once for each change: what is drawn of an unfinished answer
     is marked as busy, so that a screen reader does not read it again and again. */
  function tell(words) {
    let region = byId("cl-told");
    if (!region) {
      region = make("p");
      region.id = "cl-told";
      region.setAttribute("role", "status");
      region.setAttribute("aria-live", "polite");
      document.body.append(region);
    }
    if (words === told) return;
    told = words;
    region.textContent = words;
  }

  function label() {
    const talk = byId("cl-talk");
    if (talk && !talk.hasAttribute("role")) {
      talk.setAttribute("role", "log");
      talk.setAttribute("aria-live", "polite");
      talk.setAttribute("aria-label", "Conversation");
    }
    const box = composer();
    if (box && !box.hasAttribute("aria-label")) {
      box.setAttribute("aria-label", "Your question");
      box.setAttribute("maxlength", "20000");
      box.focus({ preventScroll: true });
    }
    dayField();
    for (const node of document.querySelectorAll("button.chip:not([aria-label])")) {
      node.setAttribute("aria-label", `Source ${node.textContent}: ${node.title}. Show the page`);
    }
    const making = document.querySelector("#cl-live :is(.stages, .meter.now)") !== null;
    byId("cl-live")?.setAttribute("aria-busy", String(making));
    byId("cl-model")?.setAttribute("aria-label", "The language model");
    tell(document.querySelector("#cl-live .told")?.textContent ?? "");
    keepPlace();
    const busy = Boolean(box?.disabled);
    if (wasBusy && !busy && !document.body.classList.contains("cl-open")) {
      box.focus({ preventScroll: true });
    }
    wasBusy = busy;
    markChosen();
  }

  /* ---- which model answers: asked for while somebody looks, until something goes wrong ---- */

  const MODEL_SECONDS = 5;
  let failing = false;

  function askModel() {
    failing = failing || document.querySelector(".toast-body.error") !== null;
    if (!failing && document.visibilityState === "visible") byId("cl-refresh")?.click();
  }

  function watchModel() {
    setInterval(askModel, MODEL_SECONDS * 1000);
    const again = () => { failing = false; askModel(); };
    window.addEventListener("focus", again);
    document.addEventListener("visibilitychange", again);
  }

  /* Signed out in another tab, or by time: Gradio would only say that an error occurred. */
  function watchSession() {
    new PerformanceObserver((list) => {
      if (list.getEntries().some((entry) => entry.responseStatus === 401)) location.assign("/");
    }).observe({ type: "resource", buffered: true });
  }

  let newest = "";

  /* A new question goes to the top of the page once; after that the reader scrolls. */
  function follow() {
    const turn = document.querySelector("#cl-live .turn");
    const question = turn?.querySelector(".question")?.textContent ?? "";
    const begun = `${document.querySelectorAll("#cl-shown .turn").length} ${question}`;
    if (!turn || begun === newest) return;
    newest = begun;
    turn.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
  }

  document.addEventListener("click", (event) => {
    const node = event.target instanceof Element ? event.target.closest("button") : null;
    if (!node) return;
    if (node.matches(".chip, .source")) openPlace(node);
    else if (node.matches(".example")) askExample(node);
    else if (node.matches(".sweep")) sweep(node);
    else if (node.matches(".again")) askAgain(node);
    else if (node.matches(".dismiss")) putAway(node);
    else if (node.id === "cl-theme") switchTheme();
    else if (node.id === "cl-signout") signOut();
    else if (node.id === "cl-new") closeIfOpen();
  });
  const closeIfOpen = () => { if (viewer.key !== null) closeViewer(); };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeIfOpen();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);

  let waiting = false;
  const settle = () => { waiting = false; label(); follow(); };
  const start = () => {
    applyTheme();
    watchModel();
    watchSession();
    new MutationObserver(() => {
      if (!waiting) { waiting = true; requestAnimationFrame(settle); }
    }).observe(document.body, { childList: true, subtree: true, attributes: true,
      attributeFilter: ["disabled"] });
  };
  applyTheme();
  if (document.body) start(); else document.addEventListener("DOMContentLoaded", start);
})();
