// A picture of maps: its texts for the shapes of its nodes, in the words of tracer/drawing/maps/sizes.py.

const CHANNELS = 1, EXTENT = 2;

// How narrow letters may become before a text is cut, and the font that they are measured in.
const NARROWEST = 0.6, LABELS = '12px system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif';

const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

// Channels and extent of a map whose positions lie along some dims; null without a shape.
function mapSize(shape, places) {
  if (shape === null) return null;
  if (!places.length) {
    const isVector = shape.slice(2).every((n) => n === 1);
    return isVector ? { channels: shape.length > 1 ? [shape[1]] : shape, extent: shape.slice(2) } : { channels: [], extent: shape.slice(1) };
  }
  const others = shape.filter((_, dim) => !places.includes(dim));
  return { channels: others.length > 1 ? others.slice(1) : others, extent: places.map((dim) => shape[dim]) };
}

function extentText(size) {
  if (size === null) return "";
  const { extent } = size, power = { 2: "²", 3: "³" }[extent.length];
  return power && extent.every((n) => n === extent[0]) ? `${extent[0]}${power}` : extent.join("×");
}

// What stands above a map that `own` has the size of: its channels, or those that two inputs bring.
function channelsText(own, brought) {
  if (own === null) return "?";
  if (brought.length === 2 && brought.every((one) => one !== null && one.channels.length)) return brought.map((one) => product(one.channels)).join("+");
  return own.channels.join("×");
}

class MapPicture {
  // `maps`: the record of the picture. `sizeOf(node)`: the size of a node's map now.
  constructor(svg, maps, sizeOf) {
    Object.assign(this, { svg, sizeOf });
    this.pen = document.createElement("canvas").getContext("2d");
    this.pen.font = LABELS;
    this.boxes = [...svg.querySelectorAll("[data-unit]")].map((group) => {
      const [name, of, own, drawn, [x, y, width, height], labels] = maps.units[+group.dataset.unit];
      const texts = [...group.querySelectorAll("text:not(.sign):not(.dots)")], rects = [...group.querySelectorAll("rect")];
      return { group, name, of, maps: own, main: own.at(-1), drawn, rects, texts, labels, x, y, width, height };
    });
    this.arrows = [...svg.querySelectorAll("[data-way]")].map((group) => {
      const [source, target, node, brought, reader, kind] = maps.ways[+group.dataset.way];
      return { group, source, target, node, brought, reader, kind, paths: [...group.querySelectorAll("path")], arm: group.querySelector(".arm"), title: null };
    });
    const levels = [...svg.querySelectorAll(".level")];
    this.bands = maps.bands.map((node, n) => ({ node, text: levels[2 * n + 1], first: levels[2 * n + 1].textContent }));
  }

  // The node that is pointed at: the map's of a rectangle, or the one that a unit hands on.
  pointed(box, element) {
    const place = box.rects.indexOf(element);
    return place < 0 ? box.main : box.drawn[place] ?? box.main;
  }

  // Every text of a unit as it is now.
  label(box) {
    let above = 0;
    box.labels.forEach(([form, room, of], n) => {
      if (!form) return;
      const sizes = of.map(this.sizeOf);
      let text;
      if (form === CHANNELS) {
        text = channelsText(this.sizeOf(box.maps[above]), sizes);
        above += 1;
      } else if (form === EXTENT) text = [...new Set(sizes.map(extentText).filter(Boolean))].join(" → ");
      else text = sizes[0] === null ? "?" : [...sizes[0].channels, ...sizes[0].extent].join(" × ");
      this.write(box.texts[n], text, room);
    });
  }

  // A text in its room: its letters become narrower, and then fewer.
  write(element, text, room) {
    if (element.dataset.whole === text) return;
    element.dataset.whole = text;
    const width = (said) => this.pen.measureText(said).width;
    let said = text;
    while (said.length > 2 && width(said) * NARROWEST > room) said = `${said.replace(/…$/, "").slice(0, -1)}…`;
    element.textContent = said;
    if (width(said) > room) {
      element.setAttribute("textLength", room);
      element.setAttribute("lengthAdjust", "spacingAndGlyphs");
    } else element.removeAttribute("textLength");
  }

  // The strides beside the levels. `step(node)`: ratios along the axes, as [n, d]; none where they are unknown, so that
  // the ones of the picture hold for its own sizes alone. `moved`: whether others are shown.
  level(step, moved) {
    for (const { node, text, first } of this.bands) {
      if (node < 0) continue;
      const steps = step(node).map(fraction), known = new Set(steps).size === 1 ? steps[0] : steps.join("×");
      const said = steps.length ? known : moved ? "?" : first;
      if (text.textContent !== said) text.textContent = said;
    }
  }

  // An arrow in the colour of what is done; `words`: what the colours mean.
  colour(arrow, kind, words) {
    if (arrow.now === kind) return;
    arrow.now = kind;
    const [line, head] = arrow.paths;
    line.setAttribute("class", `way ${kind}`);
    head.setAttribute("class", `head ${kind}`);
    if (!arrow.title) {
      arrow.title = document.createElementNS("http://www.w3.org/2000/svg", "title");
      arrow.group.prepend(arrow.title);
    }
    arrow.title.textContent = `${this.boxes[arrow.source].name} to ${this.boxes[arrow.target].name}: ${words[kind]}`;
  }
}

function fraction([n, d]) {
  let [a, b] = [Math.abs(n), d];
  while (b) [a, b] = [b, a % b];
  return d === a ? String(n / a) : `${n / a}/${d / a}`;
}

// A legend: [kind, words] of every colour that there is, and then signs alone.
function legend(place, entries) {
  const key = JSON.stringify(entries);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  place.replaceChildren(...entries.map(([kind, words]) => {
    const entry = document.createElement("li");
    if (kind) {
      const inside = document.createElement("template");
      inside.innerHTML = `<svg class="maps" width="32" height="10" aria-hidden="true"><path class="way ${kind}" d="M0 5L26 5"/><path class="head ${kind}" d="M31 5L24 1L24 9Z"/></svg>`;
      entry.append(inside.content);
    }
    entry.append(words);
    return entry;
  }));
}
