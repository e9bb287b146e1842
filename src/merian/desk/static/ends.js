// End points of traits: dragged with the pointer, or moved with keys. What is shown while they move is
// their distance; the value that counts, with its interval, is the server's once it is saved.
"use strict";

(() => {
  const RADIUS = 8, FAR = 10;  // pixels of the screen; of the picture
  const record = subject && subject.dataset.record;

  for (const svg of document.querySelectorAll("svg.traits")) {
    const own = `[data-media="${CSS.escape(svg.dataset.media)}"][data-specimen="${CSS.escape(svg.dataset.specimen)}"][data-size="${CSS.escape(svg.dataset.size)}"]`;
    const told = document.querySelector(`.ends${own}`);
    const ends = [...svg.querySelectorAll(".end")], lines = [...svg.querySelectorAll(".trait")];
    const wide = svg.viewBox.baseVal.width, high = svg.viewBox.baseVal.height;
    const at = {}, before = {}, words = new Map();
    for (const end of ends) before[end.dataset.point] = at[end.dataset.point] = [Number(end.getAttribute("cx")), Number(end.getAttribute("cy"))];
    for (const item of told.querySelectorAll("li")) words.set(item.dataset.trait, item.querySelector("b").textContent);
    let shown = lines[0].dataset.trait;  // one trait at a time: ends of several lie on each other
    const moved = () => Object.keys(at).filter((name) => at[name][0] !== before[name][0] || at[name][1] !== before[name][1]);

    function size() {
      const shown = svg.getBoundingClientRect().width;
      if (shown) for (const end of ends) end.setAttribute("r", (RADIUS * wide / shown).toFixed(2));
    }

    function draw() {
      const away = new Set(moved());
      const here = new Set(lines.filter((line) => line.dataset.trait === shown).flatMap((line) => JSON.parse(line.dataset.names)));
      for (const end of ends) end.classList.toggle("away", !here.has(end.dataset.point));
      for (const line of lines) line.classList.toggle("shown", line.dataset.trait === shown);
      for (const item of told.querySelectorAll("li")) item.querySelector("button").setAttribute("aria-pressed", String(item.dataset.trait === shown));
      for (const end of ends) {
        const [x, y] = at[end.dataset.point];
        end.setAttribute("cx", x); end.setAttribute("cy", y);
        end.setAttribute("aria-valuenow", x);
        end.setAttribute("aria-valuetext", `${x.toFixed(1)}, ${y.toFixed(1)}`);
      }
      for (const line of lines) {
        const names = JSON.parse(line.dataset.names), places = names.map((name) => at[name]);
        line.setAttribute("points", places.map((place) => place.join(",")).join(" "));
        const changed = names.some((name) => away.has(name));
        line.classList.toggle("moved", changed);
        const item = told.querySelector(`li[data-trait="${CSS.escape(line.dataset.trait)}"]`);
        item.classList.toggle("moved", changed);
        const pixels = places.slice(1).reduce((sum, place, n) => sum + Math.hypot(place[0] - places[n][0], place[1] - places[n][1]), 0);
        const value = pixels / (Number(line.dataset.scale) || 1);
        item.querySelector("b").textContent = changed ? `≈ ${value.toPrecision(4)}` : words.get(line.dataset.trait);
      }
      for (const button of told.querySelectorAll("[data-ends]")) button.disabled = !away.size;
    }

    function set(name, x, y) {
      at[name] = [Math.min(Math.max(x, 0), wide), Math.min(Math.max(y, 0), high)].map((value) => Math.round(value * 100) / 100);
      draw();
    }

    function back() { Object.assign(at, before); draw(); }

    async function save() {
      const names = moved(), by = names.length && who();
      if (!by || busy) return;
      busy = true;
      const left = Number(svg.dataset.left), top = Number(svg.dataset.top);
      const points = Object.fromEntries(names.map((name) => [name, [at[name][0] + left, at[name][1] + top]]));
      const { status, told: answer } = await post("/measure", { record, media: svg.dataset.media, specimen: Number(svg.dataset.specimen), seen: JSON.parse(svg.dataset.seen), points, by, why: byId("why").value });
      busy = false;
      if (status !== 200) { say(answer.fault || "That did not work.", true); return; }
      location.reload();
    }

    for (const end of ends) {
      const name = end.dataset.point;
      let held = null;
      end.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        const to = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
        held = [to.x - at[name][0], to.y - at[name][1]];
        end.setPointerCapture(event.pointerId);
        end.focus({ preventScroll: true });
        event.preventDefault();
      });
      end.addEventListener("pointermove", (event) => {
        if (!held) return;
        const to = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
        set(name, to.x - held[0], to.y - held[1]);
      });
      for (const kind of ["pointerup", "pointercancel"]) end.addEventListener(kind, () => { held = null; });
      end.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (way) set(name, at[name][0] + way[0] * (event.shiftKey ? FAR : 1), at[name][1] + way[1] * (event.shiftKey ? FAR : 1));
        else if (event.key === "Enter") save();
        else if (event.key === "Escape") back();
        else return;
        event.preventDefault();
        event.stopPropagation();
      });
    }
    told.addEventListener("click", (event) => {
      const button = event.target.closest("button"), item = event.target.closest("li");
      if (item) { shown = item.dataset.trait; draw(); } else if (button) ({ save, back })[button.dataset.ends]();
    });
    window.addEventListener("resize", size);
    size();
    draw();
  }
})();
