// A box on the map: drawn with the pointer, moved with keys, or typed. What counts are the four fields;
// the drawing follows them.
"use strict";

(() => {
  const world = document.getElementById("world"), svg = world && world.querySelector("svg");
  if (!svg) return;
  const form = document.getElementById("box");
  const fields = Object.fromEntries(["south", "west", "north", "east"].map((side) => [side, document.getElementById(side)]));
  const seen = { west: Number(svg.dataset.west), north: Number(svg.dataset.north), span: Number(svg.dataset.span) };
  const wide = svg.viewBox.baseVal.width, high = svg.viewBox.baseVal.height;
  const drawn = [0, 1].map(() => {  // the second where a box crosses the date line
    const made = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    made.setAttribute("class", "box");
    svg.append(made);
    return made;
  });
  const between = (value, low, top) => Math.min(Math.max(value, low), top);
  const x = (east) => (east - seen.west) * wide / seen.span;
  const y = (north) => (seen.north - north) * wide / seen.span;
  // As fine as a pixel of the drawing, and no finer.
  const digits = between(Math.ceil(Math.log10(wide / seen.span)), 0, 6);
  const told = (value) => String(Number(value.toFixed(digits)));

  function box() {
    const values = Object.fromEntries(Object.entries(fields).map(([side, field]) => [side, field.value === "" ? NaN : Number(field.value)]));
    return Object.values(values).every(Number.isFinite) ? values : null;
  }

  function place(rect, west, east, south, north) {
    const left = x(west), top = y(north), width = x(east) - left, height = y(south) - top;
    for (const [name, value] of Object.entries({ x: left, y: top, width, height })) rect.setAttribute(name, Math.max(value, name === "width" || name === "height" ? 0 : value));
  }

  function draw() {
    const now = box();
    for (const rect of drawn) rect.setAttribute("visibility", "hidden");
    if (!now || now.south > now.north) return;
    const parts = now.west <= now.east ? [[now.west, now.east]] : [[now.west, 180], [-180, now.east]];
    parts.forEach(([west, east], n) => { place(drawn[n], west, east, now.south, now.north); drawn[n].setAttribute("visibility", "visible"); });
  }

  function put(values) {
    for (const [side, value] of Object.entries(values)) fields[side].value = told(value);
    draw();
  }

  function at(event) {
    const frame = svg.getBoundingClientRect();
    const across = between((event.clientX - frame.left) / frame.width, 0, 1), down = between((event.clientY - frame.top) / frame.height, 0, 1);
    return { east: between(seen.west + across * seen.span, -180, 180), north: between(seen.north - down * seen.span * high / wide, -90, 90) };
  }

  let from = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    from = at(event);
    svg.setPointerCapture(event.pointerId);
    world.focus({ preventScroll: true });
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = at(event);
    put({ west: Math.min(from.east, to.east), east: Math.max(from.east, to.east), south: Math.min(from.north, to.north), north: Math.max(from.north, to.north) });
  });
  for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => { from = null; });

  world.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); form.requestSubmit(); return; }
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const step = seen.span / 40, middle = { east: seen.west + seen.span / 2, north: seen.north - seen.span * high / wide / 2 };
    const now = box() || { west: middle.east - 4 * step, east: middle.east + 4 * step, south: middle.north - 2 * step, north: middle.north + 2 * step };
    const [across, up] = [way[0] * step, way[1] * step];
    if (event.shiftKey) {
      put({ ...now, east: between(now.east + across, Math.min(now.west, 180), 180), north: between(now.north + up, now.south, 90) });
    } else {
      const east = between(across, -180 - now.west, 180 - now.east), north = between(up, -90 - now.south, 90 - now.north);
      put({ west: now.west + east, east: now.east + east, south: now.south + north, north: now.north + north });
    }
  });
  form.addEventListener("input", draw);
  draw();
})();
