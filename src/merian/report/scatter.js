"use strict";
// Points of an embedding on one canvas. Every point is written into the pixels by its own loop:
// 50,000 of them take some milliseconds without any graphics card. All text goes in as text.
(() => {
  const find = (id) => document.getElementById(id);
  const data = JSON.parse(find("data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const xs = new Uint16Array(bytes(data.x)), ys = new Uint16Array(bytes(data.y));
  const slots = new Int32Array(bytes(data.slots)), count = xs.length, WHOLE = 65535;
  const columns = data.columns.map((c) => ({ ...c, codes: new Uint32Array(bytes(c.codes)) }));
  const sheets = [...document.querySelectorAll("script.sheet")];
  const canvas = find("points"), context = canvas.getContext("2d", { alpha: false });
  const card = find("card"), thumb = find("thumb"), facts = find("facts"), legend = find("legend");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let image, pixels, wide = 0, high = 0, ratio = 1;
  let scale = 1, left = 0, top = 0, least = 1; // pixels of the canvas for one step of a place
  let column = columns[0], chosen = new Set(), colours, hovered = -1, pinned = -1, asked = false;

  // -- colours -----------------------------------------------------------------------------------
  const packed = (r, g, b) => (255 << 24) | (b << 16) | (g << 8) | r;
  const hsl = (h, s, l) => [0, 8, 4].map((n) => {
    const k = (n + h / 30) % 12, a = s * Math.min(l, 1 - l);
    return Math.round(255 * (l - a * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  });
  function rgb(code) {
    if (column.names[code] === data.none) return dark.matches ? [110, 116, 108] : [176, 172, 160];
    const turn = Math.floor(code / 12) % 3; // neighbours differ in hue, later ones in light too
    return hsl((code * 137.508 + 165) % 360, [0.62, 0.5, 0.72][turn],
      (dark.matches ? [0.62, 0.74, 0.5] : [0.42, 0.32, 0.54])[turn]);
  }
  function recolour() {
    colours = Int32Array.from(column.names, (_, code) => packed(...rgb(code)));
    ask();
  }

  // -- drawing -----------------------------------------------------------------------------------
  function disc(radius) { // offsets into the pixels and how much of each is covered, of 256
    const found = [], reach = Math.ceil(radius + 0.5);
    for (let y = -reach; y <= reach; y++)
      for (let x = -reach; x <= reach; x++) {
        const cover = Math.round(256 * Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(x, y))));
        if (cover > 12) found.push([y * wide + x, cover]);
      }
    return { at: Int32Array.from(found, (f) => f[0]), cover: Int32Array.from(found, (f) => f[1]),
      reach };
  }
  function stamp(shape, x, y, colour) {
    if (x < shape.reach || y < shape.reach || x >= wide - shape.reach || y >= high - shape.reach)
      return;
    const base = y * wide + x, at = shape.at, cover = shape.cover;
    for (let i = 0; i < at.length; i++) {
      const place = base + at[i], share = cover[i];
      if (share >= 250) { pixels[place] = colour; continue; }
      const old = pixels[place], rest = 256 - share; // two colours at once, then the third
      pixels[place] = (255 << 24)
        | ((((colour & 0xff00ff) * share + (old & 0xff00ff) * rest) >>> 8) & 0xff00ff)
        | ((((colour & 0xff00) * share + (old & 0xff00) * rest) >>> 8) & 0xff00);
    }
  }
  function size() {
    const base = count > 20000 ? 1.3 : count > 3000 ? 1.9 : count > 600 ? 2.8 : 4;
    return ratio * Math.min(9, base * Math.pow(scale / least, 0.35));
  }
  function pass(shape, codes, wanted, colour) {
    const narrow = chosen.size > 0;
    for (let i = 0; i < count; i++) {
      const code = codes[i];
      if (narrow && chosen.has(code) !== wanted) continue;
      stamp(shape, (xs[i] * scale + left) | 0, (ys[i] * scale + top) | 0, colour ?? colours[code]);
    }
  }
  function draw() {
    asked = false;
    if (!wide || !high) return;
    pixels.fill(dark.matches ? packed(30, 34, 30) : packed(255, 255, 255));
    const shape = disc(size());
    if (chosen.size) {
      pass(shape, column.codes, false, dark.matches ? packed(52, 57, 51) : packed(232, 229, 220));
      pass(shape, column.codes, true);
    } else pass(shape, column.codes, true);
    context.putImageData(image, 0, 0);
    const marked = hovered < 0 ? pinned : hovered;
    if (marked >= 0) {
      context.beginPath();
      context.arc(xs[marked] * scale + left, ys[marked] * scale + top, size() + 4 * ratio, 0, 7);
      context.lineWidth = 2 * ratio;
      context.strokeStyle = dark.matches ? "#fff" : "#000";
      context.stroke();
    }
  }
  function ask() {
    if (!asked) { asked = true; requestAnimationFrame(draw); }
  }

  // -- where one looks ---------------------------------------------------------------------------
  function whole() {
    const margin = 24 * ratio;
    least = Math.max(1e-6, Math.min(wide - 2 * margin, high - 2 * margin) / WHOLE);
    scale = least;
    left = (wide - WHOLE * scale) / 2;
    top = (high - WHOLE * scale) / 2;
    ask();
  }
  function fit() {
    const box = canvas.getBoundingClientRect();
    ratio = Math.min(2, devicePixelRatio || 1);
    const before = wide;
    wide = canvas.width = Math.max(1, Math.round(box.width * ratio));
    high = canvas.height = Math.max(1, Math.round(box.height * ratio));
    image = context.createImageData(wide, high);
    pixels = new Int32Array(image.data.buffer);
    if (before !== wide) whole(); else ask();
  }
  function zoom(times, x, y) {
    const next = Math.min(least * 400, Math.max(least * 0.5, scale * times)), by = next / scale;
    left = x - (x - left) * by;
    top = y - (y - top) * by;
    scale = next;
    ask();
  }
  function pan(x, y) { left += x; top += y; ask(); }

  // -- which point is near: places in order of the cells of a grid ---------------------------------
  const CELLS = 256, cell = (v) => v >> 8, starts = new Uint32Array(CELLS * CELLS + 1);
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) starts[cell(ys[i]) * CELLS + cell(xs[i]) + 1]++;
  for (let i = 0; i < CELLS * CELLS; i++) starts[i + 1] += starts[i];
  const filled = starts.slice();
  for (let i = 0; i < count; i++) order[filled[cell(ys[i]) * CELLS + cell(xs[i])]++] = i;
  function near(x, y) {
    const reach = 12 * ratio / scale, px = (x - left) / scale, py = (y - top) / scale;
    const limit = (v) => Math.max(0, Math.min(CELLS - 1, cell(Math.max(0, v))));
    let best = -1, least2 = reach * reach;
    for (let row = limit(py - reach); row <= limit(py + reach); row++) {
      const end = starts[row * CELLS + limit(px + reach) + 1];
      for (let at = starts[row * CELLS + limit(px - reach)]; at < end; at++) {
        const i = order[at], apart = (xs[i] - px) ** 2 + (ys[i] - py) ** 2;
        if (apart <= least2 && (!chosen.size || chosen.has(column.codes[i]))) {
          best = i; least2 = apart;
        }
      }
    }
    return best;
  }

  // -- the card of a point -----------------------------------------------------------------------
  const opened = new Map(); // sheets that were looked at
  function sheet(number) {
    if (!opened.has(number)) {
      const picture = new Image();
      picture.src = `data:image/${data.kind};base64,` + sheets[number].textContent;
      opened.set(number, picture);
      if (opened.size > 12) opened.delete(opened.keys().next().value);
    }
    return opened.get(number);
  }
  function show(i, x, y) {
    card.hidden = i < 0;
    if (i < 0) return;
    const rows = [["", data.ids[i]], ...columns.map((c) => [c.name, c.names[c.codes[i]]])];
    facts.replaceChildren(...rows.flatMap(([name, value]) => {
      const term = document.createElement("dt"), told = document.createElement("dd");
      term.textContent = name;
      told.textContent = value;
      return name ? [term, told] : [told];
    }));
    const slot = slots[i], brush = thumb.getContext("2d");
    thumb.hidden = slot < 0;
    if (slot >= 0) {
      const picture = sheet(Math.floor(slot / data.each)), at = slot % data.each;
      const paint = () => {
        if (card.dataset.point !== String(i)) return;
        brush.clearRect(0, 0, thumb.width, thumb.height);
        brush.drawImage(picture, at % data.across * data.side,
          Math.floor(at / data.across) * data.side, data.side, data.side, 0, 0, thumb.width,
          thumb.height);
      };
      card.dataset.point = String(i);
      if (picture.complete) paint(); else picture.addEventListener("load", paint, { once: true });
    }
    const box = canvas.getBoundingClientRect(), mine = card.getBoundingClientRect();
    const px = x / ratio + 16, py = y / ratio + 16;
    card.style.left = `${Math.max(4, px + mine.width > box.width ? px - mine.width - 32 : px)}px`;
    card.style.top = `${Math.max(4, Math.min(py, box.height - mine.height - 4))}px`;
  }

  // -- hands -------------------------------------------------------------------------------------
  const place = (e) => {
    const box = canvas.getBoundingClientRect();
    return [(e.clientX - box.left) * ratio, (e.clientY - box.top) * ratio];
  };
  const fingers = new Map();
  let moved = 0, spread = 0;
  const apart = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
  canvas.addEventListener("pointerdown", (e) => {
    canvas.setPointerCapture(e.pointerId);
    fingers.set(e.pointerId, place(e));
    moved = 0;
    if (fingers.size === 2) spread = apart();
  });
  canvas.addEventListener("pointermove", (e) => {
    const [x, y] = place(e), before = fingers.get(e.pointerId);
    if (before) {
      fingers.set(e.pointerId, [x, y]);
      moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
      if (fingers.size === 2) {
        const [a, b] = [...fingers.values()], now = apart();
        zoom(now / (spread || now || 1), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
        spread = now;
      } else pan(x - before[0], y - before[1]);
      show(-1);
    } else {
      const found = near(x, y);
      if (found !== hovered) { hovered = found; ask(); }
      if (pinned < 0 || found >= 0) show(found, x, y);
    }
  });
  const lifted = (e) => {
    const [x, y] = place(e);
    if (fingers.delete(e.pointerId) && moved < 6 * ratio && e.type === "pointerup") {
      pinned = near(x, y); // a touch has no hover
      show(pinned, x, y);
      ask();
    }
  };
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);
  canvas.addEventListener("pointerleave", () => { hovered = -1; if (pinned < 0) show(-1); ask(); });
  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    const lines = e.deltaMode === 1 ? 16 : 1;
    zoom(Math.exp(-Math.max(-300, Math.min(300, e.deltaY * lines)) * 0.002), ...place(e));
  }, { passive: false });
  const middle = (times) => zoom(times, wide / 2, high / 2);
  const KEYS = { ArrowLeft: () => pan(60 * ratio, 0), ArrowRight: () => pan(-60 * ratio, 0),
    ArrowUp: () => pan(0, 60 * ratio), ArrowDown: () => pan(0, -60 * ratio),
    "+": () => middle(1.3), "=": () => middle(1.3), "-": () => middle(1 / 1.3), 0: whole,
    Escape: () => { pinned = -1; show(-1); ask(); } };
  canvas.addEventListener("keydown", (e) => {
    if (KEYS[e.key] && !e.ctrlKey && !e.metaKey) { e.preventDefault(); KEYS[e.key](); }
  });
  find("closer").addEventListener("click", () => middle(1.5));
  find("farther").addEventListener("click", () => middle(1 / 1.5));
  find("whole").addEventListener("click", whole);

  // -- the legend --------------------------------------------------------------------------------
  const MOST = 400, sought = find("sought"), said = find("said");
  function list() {
    const words = sought.value.trim().toLowerCase();
    const kept = column.names.map((name, code) => [name, code])
      .filter(([name]) => name.toLowerCase().includes(words));
    legend.replaceChildren(...kept.slice(0, MOST).map(([name, code]) => {
      const row = document.createElement("li"), button = document.createElement("button");
      const dot = document.createElement("span"), text = document.createElement("span");
      const number = document.createElement("small");
      button.type = "button";
      button.setAttribute("aria-pressed", String(chosen.has(code)));
      dot.className = "dot";
      dot.style.background = `rgb(${rgb(code).join(" ")})`;
      text.textContent = name;
      number.textContent = column.counts[code].toLocaleString("en");
      button.append(dot, text, number);
      button.addEventListener("click", () => {
        if (!chosen.delete(code)) chosen.add(code);
        button.setAttribute("aria-pressed", String(chosen.has(code)));
        told();
        ask();
      });
      row.append(button);
      return row;
    }));
    told(kept.length);
  }
  function told(listed = legend.children.length) {
    const names = column.names.length.toLocaleString("en");
    said.textContent = chosen.size ? `${chosen.size} of ${names} shown` : `${names} in all`
      + (listed > MOST ? `, the first ${MOST} listed` : "");
    find("all").hidden = !chosen.size;
  }
  find("all").addEventListener("click", () => { chosen.clear(); list(); ask(); });
  sought.addEventListener("input", list);
  const choice = find("by");
  columns.forEach((c, number) => choice.add(new Option(c.name, number)));
  choice.addEventListener("change", () => {
    column = columns[choice.value];
    chosen.clear();
    sought.value = "";
    recolour();
    list();
  });
  dark.addEventListener("change", () => { recolour(); list(); });
  thumb.width = thumb.height = data.side;
  new ResizeObserver(fit).observe(canvas);
  recolour();
  list();
  fit();
})();
