// The picture in its window: what is in view, and how keys, the wheel and fingers move it.

// The size of a picture's letters, the scale at which they have 9 pixels, the one below which nothing is recognised, and
// the largest.
const FONT = 12, LEGIBLE = 0.75, SEEN = 0.25, LARGEST = 1.5, ROOM = 10;

class View {
  // `view` is kept over changes of the file: {x, y, width, height, fitted}. `moved` is told of every change.
  constructor(viewport, view, moved) {
    Object.assign(this, { viewport, view, moved, svg: null, boxes: [], fault: null });
  }

  // Shows another picture with its boxes: [{group, x, y, width, height}].
  turn(svg, boxes) {
    this.svg = svg;
    this.boxes = boxes;
    const width = +svg.getAttribute("width"), height = +svg.getAttribute("height");
    this.whole = { x: 0, y: 0, width, height };
  }

  get room() { return { width: this.viewport.clientWidth || 1, height: this.viewport.clientHeight || 1 }; }
  get scale() { return this.room.width / this.view.width; }

  place() {
    const { x, y, width, height } = this.view;
    this.svg.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
    this.moved();
  }

  // The part of the picture with this middle that is seen at a scale.
  around({ x, y, width, height }, scale) {
    const { width: w, height: h } = this.room;
    return { x: x + width / 2 - w / scale / 2, y: y + height / 2 - h / scale / 2, width: w / scale, height: h / scale };
  }

  scaleOf(rectangle) {
    const { width, height } = this.room;
    return Math.min(width / (rectangle.width + 2 * ROOM), height / (rectangle.height + 2 * ROOM), LARGEST);
  }

  // What is seen before all of the picture: what is wrong where letters are too small in all of it, and its beginning where
  // nothing is to be seen in all of it.
  get first() {
    const scale = this.scaleOf(this.whole);
    if (this.fault !== null && scale < LEGIBLE) return this.fault;
    return scale < SEEN && this.boxes.length ? this.boxes[0] : null;
  }

  // All of the picture, both ways; where a part of it comes first, that, and all of it the next time.
  fit() {
    this.view.fitted = this.first !== null && this.view.fitted !== "part" ? "part" : "all";
    this.refit();
  }

  refit() {
    const part = this.view.fitted === "part" ? this.first : null;
    if (part === null) Object.assign(this.view, this.around(this.whole, this.scaleOf(this.whole)));
    else if (part === this.fault) Object.assign(this.view, this.best(part));
    else Object.assign(this.view, this.around(part, 1), { y: part.y - ROOM });
    this.place();
  }

  // Where a part is in view and the fewest boxes are cut at the edge, as large as may be.
  best(part) {
    let found = null;
    for (const scale of [1.2, 1.1, 1, 0.9, 0.82, LEGIBLE]) {
      const middle = this.around(part, scale);
      for (const across of [0, -1, 1, -0.5, 0.5]) {
        for (const down of [0, -1, 1, -0.5, 0.5]) {
          const slack = [middle.width - part.width - 2 * ROOM, middle.height - part.height - 2 * ROOM];
          if (slack[0] < 0 || slack[1] < 0) continue;
          const seen = { ...middle, x: middle.x + across * slack[0] / 2, y: middle.y + down * slack[1] / 2 };
          const cut = this.boxes.filter((box) => meets(box, seen) && !holds(seen, box)).length;
          if (found === null || cut < found.cut) found = { cut, seen };
        }
      }
    }
    return found?.seen ?? this.around(part, Math.min(this.scaleOf(part), LEGIBLE));
  }

  // The window has another size: what was fitted is fitted again, and the rest keeps its scale.
  resize() {
    if (this.view.fitted !== null) { this.refit(); return; }
    this.view.height = this.view.width * (this.room.height / this.room.width);
    this.place();
  }

  zoom(factor, x = 0.5, y = 0.5) {
    const { view } = this, width = Math.min(Math.max(view.width * factor, 60), 2e5), height = view.height * (width / view.width);
    view.x += (view.width - width) * x;
    view.y += (view.height - height) * y;
    Object.assign(view, { width, height, fitted: null });
    this.place();
  }

  pan(x, y) {
    this.view.x += x;
    this.view.y += y;
    this.view.fitted = null;
    this.place();
  }

  // Moves no further than that a box is in view as a whole.
  reveal(box) {
    const { view } = this, room = ROOM / this.scale;
    const wide = { x: box.x - room, y: box.y - room, width: box.width + 2 * room, height: box.height + 2 * room };
    if (wide.width > view.width || wide.height > view.height) {
      Object.assign(view, this.around(box, this.scaleOf(box)), { fitted: null });
    } else {
      const x = Math.min(Math.max(view.x, wide.x + wide.width - view.width), wide.x);
      const y = Math.min(Math.max(view.y, wide.y + wide.height - view.height), wide.y);
      if (x === view.x && y === view.y) return;
      Object.assign(view, { x, y, fitted: null });
    }
    this.place();
  }

  // A rectangle of the picture in the window's pixels.
  onScreen({ x, y, width, height }) {
    const scale = this.scale;
    return { x: (x - this.view.x) * scale, y: (y - this.view.y) * scale, width: width * scale, height: height * scale };
  }

  // Wheel, fingers and keys. `on` adds a listener that goes with the sheet.
  listen(on) {
    const { viewport } = this;
    on(viewport, "wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY / 500), ...this.fraction(event));
    }, { passive: false });
    const down = new Map();
    on(viewport, "pointerdown", (event) => { down.set(event.pointerId, { x: event.clientX, y: event.clientY }); });
    on(window, "pointermove", (event) => {
      const before = down.get(event.pointerId);
      if (!before) return;
      const others = [...down].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      if (others.length) this.pinch(before, event, others[0]);
      else this.pan((before.x - event.clientX) / this.scale, (before.y - event.clientY) / this.scale);
      down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    });
    for (const end of ["pointerup", "pointercancel"]) on(window, end, (event) => down.delete(event.pointerId));
    // What has the focus is moved into view here; a browser would scroll the window, or the page.
    on(viewport, "scroll", () => viewport.scrollTo(0, 0));
  }

  // Where a pointer is in the window, from 0 to 1.
  fraction({ clientX, clientY }) {
    const { left, top } = this.viewport.getBoundingClientRect(), { width, height } = this.room;
    const x = (clientX - left - this.viewport.clientLeft) / width, y = (clientY - top - this.viewport.clientTop) / height;
    return [x, y];
  }

  pinch(before, event, other) {
    const apart = (at) => Math.hypot(at.x - other.x, at.y - other.y);
    const now = apart({ x: event.clientX, y: event.clientY });
    if (now > 1) this.zoom(apart(before) / now, ...this.fraction({ clientX: other.x, clientY: other.y }));
  }

  // True for a key that moves the picture.
  key(key) {
    const step = this.view.width / 12;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[key]) this.pan(...moves[key]);
    else if (key === "+" || key === "=") this.zoom(0.8);
    else if (key === "-") this.zoom(1.25);
    else if (key === "0") this.fit();
    else return false;
    return true;
  }
}

function meets(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function holds(outer, inner) {
  return inner.x >= outer.x && inner.y >= outer.y && inner.x + inner.width <= outer.x + outer.width && inner.y + inner.height <= outer.y + outer.height;
}

// The smallest rectangle around several.
function around(rectangles) {
  const x = Math.min(...rectangles.map((one) => one.x)), y = Math.min(...rectangles.map((one) => one.y));
  const right = Math.max(...rectangles.map((one) => one.x + one.width)), low = Math.max(...rectangles.map((one) => one.y + one.height));
  return { x, y, width: right - x, height: low - y };
}

// Texts that would cover each other stand in lines: the lowest keeps its place, and the others move up.
const MOST_LINES = 24;

function standApart(texts) {
  for (const text of texts) {
    text.dataset.y ??= text.getAttribute("y");
    text.setAttribute("y", text.dataset.y);
  }
  const found = texts.map((text) => ({ text, box: text.getBBox(), up: 0 }));
  found.sort((a, b) => b.box.y - a.box.y);
  found.forEach((one, n) => {
    const { x, y, width, height } = one.box, before = found.slice(0, n);
    const place = () => ({ x, y: y - one.up, width, height });
    for (let line = 0; line < MOST_LINES; line += 1) {
      const met = before.find((other) => meets(place(), other.box));
      if (!met) break;
      one.up = y + height - met.box.y;
    }
    one.box = place();
    if (one.up) one.text.setAttribute("y", +one.text.dataset.y - one.up);
  });
}

// Where a note of this size stands near a rectangle and covers least of it and of others, all in one room.
function beside(note, target, others, room) {
  const gap = 12, { width, height } = note, most = { x: Math.max(room.width - width - 4, 4), y: Math.max(room.height - height - 4, 4) };
  const right = target.x + target.width, low = target.y + target.height;
  const across = [right + gap, target.x - gap - width, target.x + target.width / 2 - width / 2], down = [target.y + target.height / 2 - height / 2, low + gap, target.y - gap - height];
  for (let step = 0; step <= 12; step += 1) { across.push((most.x * step) / 12); down.push((most.y * step) / 12); }
  const covered = (at, other) => Math.max(0, Math.min(at.x + width, other.x + other.width) - Math.max(at.x, other.x))
    * Math.max(0, Math.min(at.y + height, other.y + other.height) - Math.max(at.y, other.y));
  const away = (at) => Math.max(at.x - right, target.x - at.x - width, 0) + Math.max(at.y - low, target.y - at.y - height, 0);
  let found = null;
  for (const x of across) {
    for (const y of down) {
      const at = { x: Math.min(Math.max(x, 4), most.x), y: Math.min(Math.max(y, 4), most.y) };
      const cost = 50 * covered(at, target) + others.reduce((sum, other) => sum + covered(at, other), 0) + 8 * away(at);
      if (found === null || cost < found.cost) found = { ...at, cost };
    }
  }
  return found;
}
