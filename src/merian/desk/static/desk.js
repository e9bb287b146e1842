// The desk in the browser. What is decided is shown as decided only when the server has said that it
// is on the disk. Nothing of the data is ever read as markup: texts are set as texts.
"use strict";

const byId = (id) => document.getElementById(id);
const secret = document.querySelector("meta[name=merian-desk]").content;
const grid = byId("grid"), subject = byId("subject"), form = byId("decide");
const digits = new Intl.NumberFormat("en");
const key = "merian-desk-decided";
let anchor = null, busy = false, quiet = 0;

// -- saying ----------------------------------------------------------------------------------------

function say(text, bad = false) {
  const said = byId("said");
  said.textContent = text;
  said.classList.toggle("bad", bad);
  said.hidden = false;
  clearTimeout(quiet);
  quiet = setTimeout(() => { said.hidden = true; }, bad ? 9000 : 3500);
}

async function post(path, told) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST", credentials: "same-origin", body: JSON.stringify(told),
      headers: { "content-type": "application/json", "x-merian-desk": secret },
    });
  } catch {
    return { status: 0, told: { fault: "The desk does not answer. What it has said yes to is safe; open it again with merian review, and load this page anew." } };
  }
  let body;
  try { body = await answer.json(); } catch { body = { fault: `refused (${answer.status}); load the page again` }; }
  return { status: answer.status, told: body };
}

function who() {
  const by = byId("by").value.trim();
  if (!by) { say("First say who you are.", true); byId("by").focus(); return ""; }
  try { localStorage.setItem("merian-desk-by", by); } catch { /* a browser that keeps nothing */ }
  return by;
}

function stored(store, name) { try { return store.getItem(name); } catch { return null; } }
function decidedHere() { try { return JSON.parse(stored(sessionStorage, key) || "[]"); } catch { return []; } }
function remember(runs) { try { sessionStorage.setItem(key, JSON.stringify(runs.slice(-500))); } catch { /* as above */ } }

if (byId("by") && !byId("by").value) byId("by").value = stored(localStorage, "merian-desk-by") || "";

// -- choosing ----------------------------------------------------------------------------------------

const cards = () => grid ? [...grid.querySelectorAll(".card")] : [];
const current = () => subject || (grid && grid.querySelector(".card.current"));
const chosen = () => cards().filter((card) => card.getAttribute("aria-selected") === "true");
const targets = () => { const all = chosen(); return all.length ? all : current() ? [current()] : []; };

function tell() {
  if (!form) return;
  const count = chosen().length;
  byId("chosen").textContent = count || (current() ? 1 : 0);
  byId("chosen-what").textContent = count ? "chosen" : "at hand";
}

function go(card, focus = true) {
  if (!card || !grid) return;
  for (const other of grid.querySelectorAll(".card.current")) { other.classList.remove("current"); other.tabIndex = -1; }
  card.classList.add("current");
  card.tabIndex = 0;
  if (focus) { card.focus({ preventScroll: true }); card.scrollIntoView({ block: "nearest" }); }
  tell();
}

function choose(card, on) { card.setAttribute("aria-selected", on ? "true" : "false"); tell(); }

function range(to) {
  const all = cards(), from = all.indexOf(anchor || current()), end = all.indexOf(to);
  all.slice(Math.min(from, end), Math.max(from, end) + 1).forEach((card) => card.setAttribute("aria-selected", "true"));
  tell();
}

function columns() {
  const all = cards();
  if (all.length < 2) return 1;
  const top = all[0].offsetTop;
  const first = all.findIndex((card) => card.offsetTop !== top);
  return first < 0 ? all.length : first;
}

function step(by, extend) {
  const all = cards(), at = all.indexOf(current());
  const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
  if (!next) return;
  if (extend) { anchor = anchor || current(); range(next); } else { anchor = null; }
  go(next);
}

if (grid) {
  go(cards()[0], false);
  grid.addEventListener("click", (event) => {
    const card = event.target.closest(".card");
    if (!card) return;
    if (event.shiftKey) range(card);
    else { choose(card, card.getAttribute("aria-selected") !== "true"); anchor = card; }
    go(card);
  });
  grid.addEventListener("dblclick", (event) => { const card = event.target.closest(".card"); if (card) open(card); });
  grid.addEventListener("focusin", (event) => { const card = event.target.closest(".card"); if (card && card !== current()) go(card, false); });
}

// More cards come when the end is near; they are elements that the server has made.
async function more() {
  const link = byId("more");
  if (!link || link.dataset.loading) return;
  link.dataset.loading = "yes";
  const answer = await fetch(`${link.getAttribute("href")}&part=1`, { credentials: "same-origin" });
  if (!answer.ok) { delete link.dataset.loading; return; }
  const page = new DOMParser().parseFromString(`<ul>${await answer.text()}</ul>`, "text/html");
  const there = new Set(cards().map((card) => card.dataset.record));
  link.closest("li").remove();
  for (const item of [...page.querySelectorAll("li")]) {
    if (!item.dataset.record || !there.has(item.dataset.record)) grid.append(document.adoptNode(item));
  }
  watch();
}
const near = "IntersectionObserver" in window ? new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) more(); }, { rootMargin: "1200px" }) : null;
function watch() { const link = byId("more"); if (link && near) { near.disconnect(); near.observe(link); } }
watch();

// -- deciding ----------------------------------------------------------------------------------------

function show(told) {
  const all = subject ? [subject] : cards();
  const of = new Map(all.map((card) => [card.dataset.record, card]));
  for (const one of told) {
    const card = of.get(one.record);
    if (!card) continue;
    Object.assign(card.dataset, { stands: one.stands, name: one.name, state: one.state });
    if (card === subject) continue;
    const name = card.querySelector(".called i");
    name.textContent = one.name || "";
    card.querySelector(".called small").textContent = one.qualifier;
    card.querySelector(".told").textContent = [one.rank === "species" ? "" : one.rank, one.agent === "human" ? `by ${one.by || "a person"}` : ""].filter(Boolean).join(" · ");
    card.querySelector(".state").textContent = one.state === "open" ? "" : one.state;
  }
}

function count(told) {
  const shown = { ...told, reviewed: told.records - told.open };
  for (const place of document.querySelectorAll("[data-count]")) {
    if (place.dataset.count in shown) place.textContent = digits.format(shown[place.dataset.count]);
  }
  byId("done").value = shown.reviewed;
}

function lately(names) {
  const list = byId("recent");
  if (!list) return;
  list.replaceChildren(...names.map((name, at) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const mark = document.createElement("kbd"), text = document.createElement("i");
    mark.textContent = at + 1; text.textContent = name;
    button.type = "button"; button.dataset.name = name;
    button.append(mark, " ", text); item.append(button);
    return item;
  }));
}

const WORDS = { accept: "accepted", dismiss: "dismissed", up: "set one rank up", look: "to be looked at again", name: "named" };

async function decide(kind, name = {}) {
  const all = targets();
  if (!all.length || busy) return;
  const by = who();
  if (!by) return;
  busy = true;
  all.forEach((card) => card.classList.add("busy"));
  const seen = Object.fromEntries(all.map((card) => [card.dataset.record, card.dataset.stands]));
  const { status, told } = await post("/decide", { kind, seen, by, why: byId("why").value, ...name });
  all.forEach((card) => card.classList.remove("busy", "changed"));
  busy = false;
  if (status !== 200) {
    if (told.cards) {
      show(told.cards);
      const stale = new Set(told.cards.map((one) => one.record));
      all.filter((card) => stale.has(card.dataset.record)).forEach((card) => card.classList.add("changed"));
    }
    say(told.fault || "That did not work.", true);
    return;
  }
  remember([...decidedHere(), told.run]);
  byId("why").value = "";
  say(`${digits.format(all.length)} ${WORDS[kind]}${name.name ? ` ${told.cards[0].name}` : ""}. Z undoes it.`);
  if (subject) { location.reload(); return; }
  show(told.cards); count(told.progress); lately(told.recent);
  all.forEach((card) => card.setAttribute("aria-selected", "false"));
  const list = cards(), last = Math.max(...all.map((card) => list.indexOf(card)));
  anchor = null;
  go(list.slice(last + 1).find((card) => card.dataset.state === "open") || list[Math.min(last + 1, list.length - 1)]);
}

async function undo(run) {
  if (busy) return;
  const here = decidedHere();
  const which = run || here[here.length - 1];
  if (!which) { say("Nothing was decided in this window; Decisions lists the others.", true); return; }
  const by = (byId("by") && byId("by").value.trim()) || stored(localStorage, "merian-desk-by") || document.querySelector("meta[name=merian-by]").content;
  busy = true;
  const { status, told } = await post("/undo", { run: which, by });
  busy = false;
  if (status !== 200) {
    if (told.cards) show(told.cards);
    say(told.fault || "That did not work.", true);
    if (status === 400) remember(here.filter((one) => one !== which));
    return;
  }
  remember(here.filter((one) => one !== which));
  say(`Undone for ${digits.format(told.cards.length)}.`);
  if (run || subject) { location.reload(); return; }
  show(told.cards); count(told.progress); lately(told.recent);
  const first = cards().find((card) => card.dataset.record === told.cards[0].record);
  if (first) go(first);
}

// -- naming ------------------------------------------------------------------------------------------

const field = byId("name"), list = byId("names");
let offered = [], at = -1, asked = 0;

function close() { if (list) { list.hidden = true; field.setAttribute("aria-expanded", "false"); field.removeAttribute("aria-activedescendant"); offered = []; at = -1; } }

function mark(place) {
  at = place;
  [...list.children].forEach((item, n) => {
    item.setAttribute("aria-selected", n === at ? "true" : "false");
    if (n === at) { field.setAttribute("aria-activedescendant", item.id); item.scrollIntoView({ block: "nearest" }); }
  });
}

async function offer() {
  const mine = ++asked, text = field.value.trim();
  if (!text) { close(); return; }
  const answer = await fetch(`/names?q=${encodeURIComponent(text)}`, { credentials: "same-origin" });
  if (mine !== asked || !answer.ok) return;
  offered = (await answer.json()).names;
  if (mine !== asked || document.activeElement !== field) return;
  list.replaceChildren(...offered.map((one, n) => {
    const item = document.createElement("li"), name = document.createElement("span");
    const where = document.createElement("small"), often = document.createElement("small");
    item.id = `name-${n}`;
    item.setAttribute("role", "option");
    name.textContent = one.name;
    name.className = ["genus", "species", "subspecies"].includes(one.rank) ? "low" : "high";
    where.textContent = [one.rank, one.above && `in ${one.above}`, one.note].filter(Boolean).join(", ");
    often.textContent = one.count ? digits.format(one.count) : "checklist";
    item.append(name, where, often);
    item.addEventListener("mousedown", (event) => { event.preventDefault(); give(one); });
    return item;
  }));
  list.hidden = !offered.length;
  field.setAttribute("aria-expanded", String(!list.hidden));
  mark(-1);
}

function give(one) { field.value = ""; close(); field.blur(); decide("name", { name: one.name, rank: one.rank || "", above: one.above || "" }); }

if (field) {
  field.addEventListener("input", offer);
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (offered.length) mark((at + (event.key === "ArrowDown" ? 1 : -1) + offered.length + (at < 0 && event.key === "ArrowUp" ? 1 : 0)) % offered.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (at >= 0) give(offered[at]);
      else if (field.value.trim()) give({ name: field.value.trim() });
    } else if (event.key === "Escape") { field.value = ""; close(); back(); }
  });
}

function back() { const card = current(); if (card && grid) card.focus({ preventScroll: true }); else if (document.activeElement) document.activeElement.blur(); }

// -- keys and buttons ----------------------------------------------------------------------------------

function open(card) { location.href = `/specimen?record=${encodeURIComponent(card.dataset.record)}`; }

function look(card) {
  if (!card || !card.dataset.media) return;
  const dialog = byId("look"), picture = dialog.querySelector("img");
  picture.src = `/large?media=${encodeURIComponent(card.dataset.media)}`;
  picture.alt = `picture of ${card.dataset.record}`;
  dialog.querySelector("p").textContent = [card.dataset.name || "no name", card.dataset.record].join(" · ");
  dialog.showModal();
}

function pin(card) {
  const here = new URL(location.href);
  here.searchParams.set("pin", card.dataset.record);
  here.searchParams.set("sort", "like");
  here.searchParams.delete("start");
  location.href = here;
}

const DO = { accept: () => decide("accept"), dismiss: () => decide("dismiss"), up: () => decide("up"), look: () => decide("look"), undo: () => undo(), help: () => byId("help").showModal() };

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.do) DO[button.dataset.do]();
  else if (button.dataset.undo) undo(button.dataset.undo);
  else if (button.dataset.name) decide("name", { name: button.dataset.name });
  else if (button.dataset.cluster) group({ do: button.dataset.cluster });
  else if (button.dataset.entry) group({ do: "undo", entry: Number(button.dataset.entry) });
});
if (form) form.addEventListener("submit", (event) => event.preventDefault());
if (byId("sort")) byId("sort").addEventListener("change", (event) => event.target.form.submit());

document.addEventListener("keydown", (event) => {
  if (event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest("input, select, textarea");
  if (typing) {
    if (event.key === "Escape" && typing !== field) back();
    if (event.key === "Enter" && typing.closest("#decide")) { event.preventDefault(); back(); }
    return;
  }
  if (event.ctrlKey || event.metaKey) {
    if (event.key.toLowerCase() === "a" && grid) { event.preventDefault(); cards().forEach((card) => card.setAttribute("aria-selected", "true")); tell(); }
    return;
  }
  const on = event.target.closest("a, button, summary");
  if (on && ["Enter", " "].includes(event.key)) return;
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const acts = {
    "?": DO.help, "/": () => byId("ask") && byId("ask").select(), s: () => byId("sort") && byId("sort").focus(),
    t: () => { const link = document.querySelector("#tree [aria-current], #tree a"); if (link) { const side = link.closest("details"); if (side) side.open = true; link.focus(); } },
    z: DO.undo,
  };
  if (form) Object.assign(acts, {
    Enter: DO.accept, a: DO.accept, x: DO.dismiss, u: DO.up, f: DO.look,
    r: () => field.focus(), w: () => byId("why").focus(),
    v: () => look(current()),
  });
  if (grid) Object.assign(acts, {
    ArrowRight: () => step(1, event.shiftKey), ArrowLeft: () => step(-1, event.shiftKey), j: () => step(1, event.shiftKey), k: () => step(-1, event.shiftKey),
    ArrowDown: () => step(columns(), event.shiftKey), ArrowUp: () => step(-columns(), event.shiftKey),
    Home: () => go(cards()[0]), End: () => go(cards()[cards().length - 1]),
    " ": () => { const card = current(); if (card) { choose(card, card.getAttribute("aria-selected") !== "true"); anchor = card; } },
    Escape: () => { cards().forEach((card) => card.setAttribute("aria-selected", "false")); anchor = null; tell(); },
    o: () => current() && open(current()), p: () => current() && pin(current()),
  });
  if (subject) {
    const page = byId("main").dataset;
    Object.assign(acts, { j: () => { if (page.after) location.href = page.after; }, k: () => { if (page.before) location.href = page.before; }, ArrowRight: () => { if (page.after) location.href = page.after; }, ArrowLeft: () => { if (page.before) location.href = page.before; } });
  }
  if (/^[1-9]$/.test(letter) && form) {
    const button = document.querySelectorAll("#recent button")[Number(letter) - 1];
    acts[letter] = () => { if (button) decide("name", { name: button.dataset.name }); };
  }
  if (acts[letter]) { event.preventDefault(); acts[letter](); }
});

// -- clusters ------------------------------------------------------------------------------------------

async function group(told) {
  const by = who();
  if (!by || busy) return;
  busy = true;
  const clusters = [...document.querySelectorAll("input[name=cluster]:checked")].map((box) => box.value);
  const { status, told: answer } = await post("/cluster", { ...told, clusters, by, name: byId("promoted").value, why: byId("why").value });
  busy = false;
  if (status !== 200) { say(answer.fault || "That did not work.", true); return; }
  location.reload();
}
if (byId("grouping")) {
  byId("grouping").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("change", () => { byId("grouped").textContent = document.querySelectorAll("input[name=cluster]:checked").length; });
}
if (window.matchMedia("(max-width: 60rem)").matches && document.querySelector(".side")) document.querySelector(".side").open = false;
