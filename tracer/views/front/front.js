// The front of a sweep: points, and the values, the picture and the config of the chosen row.
(() => {
  "use strict";
  const $ = (selector) => document.querySelector(selector);
  const SVG = "http://www.w3.org/2000/svg";
  const make = (tag, properties = {}, ...inside) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...inside);
    return made;
  };
  const draw = (tag, attributes, ...inside) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...inside);
    return made;
  };

  async function unpacked(name) {
    const packed = atob($(`script[data-pack="${name}"]`).textContent);
    const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  // --- values -------------------------------------------------------------------------------------------------------

  // Three digits with a unit, as the tables of the command line have them.
  function short(n, base, units) {
    let unit = 0;
    while (Math.abs(n) >= 999.5 && unit < units.length - 1) { n /= base; unit += 1; }
    const digits = unit === 0 ? String(n) : n.toFixed(Math.max(0, 3 - String(Math.trunc(Math.abs(n))).length));
    return `${digits} ${units[unit]}`.trim();
  }
  const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"], COUNTS = ["", "K", "M", "G", "T"];

  // An integer that no number of JavaScript holds comes as a text, and is written digit by digit.
  function exact(value) {
    if (typeof value === "string" && /^-?\d+$/.test(value)) return BigInt(value).toLocaleString("en-US");
    return Number.isInteger(value) ? value.toLocaleString("en-US") : String(value);
  }

  function said(column, value) {
    if (value === null) return column.none;
    if (column.kind === "flag") return value ? "yes" : "no";
    if (column.kind === "text") return String(value);
    return exact(value);
  }

  function inShort(column, value) {
    if (value === null || column.kind === "flag" || column.kind === "text") return said(column, value);
    if (column.kind === "bytes") return short(Number(value), 1024, BYTES);
    return Math.abs(Number(value)) < 10000 ? exact(value) : short(Number(value), 1000, COUNTS);
  }

  // --- axes ---------------------------------------------------------------------------------------------------------

  const ROUND = [1, 2, 5, 10];
  const isPower = (n, base) => Math.abs(Math.log(n) / Math.log(base) % 1) < 1e-9;

  // Even steps: of bytes in the unit of the largest, of whole numbers never below 1.
  function evenTicks(low, high, column, isWhole, most) {
    let unit = 1;
    if (column.kind === "bytes") while (high / unit >= 1000) unit *= 1024;
    const least = (high - low) / unit / Math.max(most, 1);
    const power = 10 ** Math.floor(Math.log10(least || 1));
    let step = ROUND.map((n) => n * power).find((n) => n >= least * 0.999) * unit;
    if (isWhole) step = Math.max(1, step);
    const ticks = [];
    for (let n = Math.ceil(low / step); n * step <= high * (1 + 1e-12); n += 1) ticks.push(n * step);
    return ticks.length < 2 && most < 8 && (!isWhole || step > 1) ? evenTicks(low, high, column, isWhole, most + 2) : ticks;
  }

  // Powers, of bytes those of two; where there are few, what lies between them too.
  function logTicks(low, high, column) {
    const base = column.kind === "bytes" ? 2 : 10;
    const ticks = [];
    for (let k = Math.floor(Math.log(low) / Math.log(base)); base ** k <= high; k += 1)
      for (const n of base === 2 ? [1] : [1, 2, 5]) ticks.push(n * base ** k);
    return ticks.filter((n) => n >= low && n <= high);
  }

  // Where each value stands: by the logarithm where that shows more, and what has no number behind the largest.
  function scaleOf(column, values, from, to, most) {
    const numbers = values.filter((value) => value !== null).map(Number).filter(Number.isFinite);
    const isBeside = values.length > numbers.length;
    const lane = isBeside && numbers.length ? Math.sign(to - from) * (to > from ? 124 : 56) : 0;
    const end = to - lane;
    let low = Math.min(...numbers), high = Math.max(...numbers);
    if (!numbers.length) [low, high] = [0, 1];
    const isLog = low > 0 && high / low >= 8;
    const turned = isLog ? Math.log : (n) => n;
    const isWhole = numbers.every(Number.isInteger);
    let first = turned(low), last = turned(high);
    const margin = first === last ? (isLog ? 1 : Math.max(Math.abs(last) * 0.1, 1)) : (last - first) * 0.05;
    first -= margin;
    last += margin;
    const place = (n) => from + (turned(n) - first) / (last - first) * (end - from);
    const at = (value) => {
      const n = value === null ? NaN : Number(value);
      return Number.isFinite(n) ? place(n) : to - lane / 2 + (numbers.length ? 0 : (from - to) / 2);
    };
    const lowest = isLog ? Math.exp(first) : first, highest = isLog ? Math.exp(last) : last;
    let found = [];
    if (numbers.length && low === high) found = [low];
    else if (numbers.length) found = isLog ? logTicks(lowest, highest, column) : evenTicks(lowest, highest, column, isWhole, most);
    const numbersAt = found.map((n) => (isWhole ? Math.round(n) : Number(n.toPrecision(6))));
    // Ticks that are close to each other are told with all of their digits.
    const areTold = new Set(numbersAt.map((n) => inShort(column, n))).size === numbersAt.length;
    const text = areTold ? (n) => inShort(column, n) : exact;
    const isRound = (n) => isPower(n, column.kind === "bytes" ? 16 : 10);
    const ticks = numbersAt.map((n, k) => ({ at: place(found[k]), text: text(n), isRound: isRound(n) }));
    if (isBeside) ticks.unshift({ at: at(null), text: column.none, isRound: true });
    return { at, ticks };
  }

  // --- the page -----------------------------------------------------------------------------------------------------

  async function start() {
    const names = ["summary", "rows", "others", "texts", "pictures"];
    const [summary, rows, others, texts, pictures] = await Promise.all(names.map(unpacked));
    const columns = summary.columns, textOf = new Map(texts), pictureOf = new Map(pictures);
    const svg = $("#points"), tip = $("#tip");
    let chosen = 0, current = 0, points = [];

    $("#title").textContent = summary.title;
    $("#headline").textContent = summary.headline;
    for (const sentence of summary.said) $("#said").append(make("li", { textContent: sentence }));
    const pick = { x: $("#x"), y: $("#y") };
    for (const [k, select] of [pick.x, pick.y].entries()) {
      const groups = { compared: make("optgroup", { label: "compared" }), others: make("optgroup", { label: "not compared" }) };
      for (const i of summary.axes) {
        const group = columns[i].better ? groups.compared : groups.others;
        group.append(make("option", { value: i, textContent: columns[i].name, selected: i === summary.start[k] }));
      }
      select.append(...Object.values(groups).filter((group) => group.children.length));
      select.addEventListener("change", place);
    }

    const axis = () => [pick.x, pick.y].map((select) => Number(select.value));
    const words = (row) => summary.told.map((i) => `${columns[i].name} ${said(columns[i], row[i])}`).join(", ");
    const better = (column) => (column.better ? `${column.better} is better` : "");
    const label = (column) => {
      const inside = [column.says, better(column)].filter(Boolean).join("; ");
      return inside ? `${column.name} (${inside})` : column.name;
    };

    // What stands at an axis, in two lines where it is long.
    function titled(column, room) {
      const whole = label(column);
      if (widthOf(whole) * 1.1 <= room || !column.better) return [cut(whole, room)];
      return [cut(label({ ...column, better: "" }), room), better(column)];
    }

    // --- points

    function place() {
      const [x, y] = axis();
      const width = Math.max(svg.clientWidth, 280), height = width < 600 ? 320 : 360;
      const all = [...rows, ...others];
      const room = width - 20, titles = { x: titled(columns[x], room), y: titled(columns[y], room) };
      const left = 66, right = width - 18;
      const top = 18 + 16 * titles.y.length, bottom = height - 30 - 16 * titles.x.length;
      const across = scaleOf(columns[x], all.map((row) => row[x]), left, right, Math.floor((right - left) / 80));
      const up = scaleOf(columns[y], all.map((row) => row[y]), bottom, top, 6);
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.setAttribute("height", height);
      const grid = draw("g", {});
      const inLine = fitting(across.ticks, (tick) => [tick.at - widthOf(tick.text) / 2, tick.at + widthOf(tick.text) / 2], 0, width);
      for (const tick of inLine) {
        grid.append(draw("line", { class: "grid", x1: tick.at, x2: tick.at, y1: top, y2: bottom }));
        grid.append(draw("text", { class: "tick", x: tick.at, y: bottom + 17, "text-anchor": "middle" }, tick.text));
      }
      for (const tick of fitting(up.ticks, (tick) => [tick.at - 8, tick.at + 8], top - 8, bottom + 8)) {
        grid.append(draw("line", { class: "grid", x1: left, x2: right, y1: tick.at, y2: tick.at }));
        grid.append(...tickLines(tick.text).map((line, k, lines) => draw("text",
          { class: "tick", x: left - 8, y: tick.at + 4 + (k - (lines.length - 1) / 2) * 12, "text-anchor": "end" }, line)));
      }
      for (const [k, line] of titles.y.entries()) grid.append(draw("text", { class: "measure", x: 10, y: 17 + 16 * k }, line));
      for (const [k, line] of titles.x.entries())
        grid.append(draw("text", { class: "measure", x: right, y: bottom + 38 + 16 * k, "text-anchor": "end" }, line));

      points = [];
      const marks = { others: draw("g", {}), front: draw("g", { role: "listbox", "aria-label": "Rows of the front" }) };
      for (const row of others) {
        const point = { row, x: across.at(row[x]), y: up.at(row[y]), number: null };
        point.mark = draw("circle", { class: "other", cx: point.x, cy: point.y, r: 3 });
        marks.others.append(point.mark);
        points.push(point);
      }
      for (const [number, row] of rows.entries()) {
        const point = { row, x: across.at(row[x]), y: up.at(row[y]), number };
        point.mark = draw("circle", { class: "front", cx: point.x, cy: point.y, r: rows.length > 120 ? 4.5 : 6, role: "option",
          "data-row": number, tabindex: number === current ? 0 : -1, "aria-selected": number === chosen, "aria-label": words(row) });
        point.mark.addEventListener("focus", () => { current = number; tabs(); show(point); });
        point.mark.addEventListener("blur", () => show(null));
        marks.front.append(point.mark);
        points.push(point);
      }
      svg.replaceChildren(grid, marks.others, marks.front);
      ring();
      show(null);
    }

    const front = (number) => points[others.length + number];
    const widthOf = (text) => text.length * 6.8 + 10;
    const cut = (text, room) => (widthOf(text) * 1.1 <= room ? text : `${text.slice(0, Math.max(Math.floor(room / 7.5) - 2, 4))}…`);
    const tickLines = (text) => (text.length > 9 ? text.split(" ") : [text]);

    // The ticks for which there is room; round ones come first.
    function fitting(ticks, room, low, high) {
      const kept = [];
      for (const tick of [...ticks].sort((a, b) => b.isRound - a.isRound)) {
        const [start, end] = room(tick);
        const isFree = kept.every((other) => { const [a, b] = room(other); return end <= a || b <= start; });
        if (isFree && start >= low && end <= high) kept.push(tick);
      }
      return kept;
    }

    function tabs() {
      for (const number of rows.keys()) front(number).mark.setAttribute("tabindex", number === current ? 0 : -1);
    }

    function ring() {
      svg.querySelector(".ring")?.remove();
      const { x, y } = front(chosen);
      svg.append(draw("circle", { class: "ring", cx: x, cy: y, r: 11, "pointer-events": "none" }));
      for (const number of rows.keys()) front(number).mark.setAttribute("aria-selected", number === chosen);
    }

    // What a point says, beside it and inside of the window.
    function show(point) {
      for (const near of svg.querySelectorAll(".near")) near.classList.remove("near");
      tip.hidden = point === null;
      if (point === null) return;
      if (point.number !== null) point.mark.classList.add("near");
      const values = make("dl");
      for (const i of summary.told) values.append(make("dt", { textContent: columns[i].name }), make("dd", { textContent: said(columns[i], point.row[i]) }));
      tip.replaceChildren(make("b", { textContent: point.number === null ? "another row" : `row ${summary.numbers[point.number] + 1} of the front` }), values);
      const stage = $(".stage"), scale = svg.clientWidth / svg.viewBox.baseVal.width;
      const x = point.x * scale, y = point.y * scale, room = 14;
      const isRight = x + room + tip.offsetWidth <= stage.clientWidth;
      const left = isRight ? x + room : Math.max(x - room - tip.offsetWidth, 0);
      const covers = !isRight && x - room - tip.offsetWidth < 0;
      const above = y - tip.offsetHeight / 2;
      tip.style.left = `${Math.min(left, stage.clientWidth - tip.offsetWidth)}px`;
      tip.style.top = `${covers ? y + room : Math.max(Math.min(above, stage.clientHeight - tip.offsetHeight), 0)}px`;
    }

    // The point next to the pointer: one of the front where both are near.
    function under(event) {
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
      let found = null, least = Infinity;
      for (const point of points) {
        const far = Math.hypot(point.x - x, point.y - y) - (point.number === null ? 0 : 8);
        if (far < least && far < 16) [found, least] = [point, far];
      }
      return found;
    }
    svg.addEventListener("pointermove", (event) => show(under(event)));
    svg.addEventListener("pointerleave", () => show(null));
    svg.addEventListener("click", (event) => {
      const point = under(event);
      show(point);
      if (point !== null && point.number !== null) choose(point.number);
    });

    svg.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return show(null);
      const isChoice = event.key === "Enter" || event.key === " ";
      const along = event.key === "ArrowUp" || event.key === "ArrowDown" ? "y" : "x";
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
      const order = [...rows.keys()].sort((a, b) => front(a)[along] - front(b)[along] || a - b);
      const ends = { Home: order[0], End: order[order.length - 1] };
      if (isChoice) choose(current);
      else if (step !== undefined) front(order[Math.max(0, Math.min(order.indexOf(current) + step, order.length - 1))]).mark.focus();
      else if (event.key in ends) front(ends[event.key]).mark.focus();
      else return undefined;
      event.preventDefault();
      return undefined;
    });

    // --- the chosen row

    function choose(number) {
      chosen = current = number;
      const row = rows[number], place = summary.numbers[number], missing = summary.missing[place] ?? "";
      $("#chosen").textContent = `Row ${place + 1} of the front`;
      $("#values").replaceChildren(...columns.flatMap((column, i) => {
        const value = make("dd", { textContent: said(column, row[i]) });
        const brief = inShort(column, row[i]);
        if (brief !== value.textContent) value.append(make("small", { textContent: brief }));
        return [make("dt", { textContent: column.name }), value];
      }));
      const text = textOf.get(place), picture = pictureOf.get(place);
      $("#config pre").textContent = text ?? missing;
      $("#copy").hidden = text === undefined;
      picturing(picture, missing, `The network of row ${place + 1}: ${words(row)}`);
      for (const line of $("#rows tbody").children) line.classList.toggle("chosen", Number(line.dataset.row) === number);
      tabs();
      ring();
    }

    // The picture fills the window's width, with letters of at least 9 pixels.
    function picturing(picture, missing, alt) {
      const save = $("#save"), frame = $("#picture .scroll");
      save.hidden = picture === undefined;
      if (picture === undefined) return frame.replaceChildren(make("p", { className: "none", textContent: missing }));
      const source = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture)}`;
      const natural = Number(/ width="(\d+)"/.exec(picture)[1]);
      const image = make("img", { src: source, alt });
      image.style.width = "100%";
      image.style.minWidth = `${Math.ceil(natural * 0.75)}px`;
      image.style.maxWidth = `${natural}px`;
      Object.assign(save, { href: source, download: `front-${summary.numbers[chosen] + 1}.svg` });
      return frame.replaceChildren(image);
    }

    let fading = 0;
    $("#copy").addEventListener("click", async () => {
      const text = textOf.get(summary.numbers[chosen]), told = $(".copied");
      clearTimeout(fading);
      try {
        await navigator.clipboard.writeText(text);
      } catch {  // a page without leave to write there
        const box = make("textarea", { value: text, readOnly: true });
        document.body.append(box);
        box.select();
        document.execCommand("copy");
        box.remove();
      }
      told.textContent = "copied";
      fading = setTimeout(() => { told.textContent = ""; }, 2000);
    });

    // --- the table

    const head = make("tr", {}, make("th", { scope: "col", textContent: "row" }));
    for (const column of columns) head.append(make("th", { scope: "col", textContent: column.name, title: label(column) }));
    $("#rows thead").append(head);
    for (const [number, row] of rows.entries()) {
      const button = make("button", { type: "button", textContent: summary.numbers[number] + 1 });
      button.addEventListener("click", () => choose(number));
      const line = make("tr", {}, make("td", {}, button), ...columns.map((column, i) => make("td", { textContent: inShort(column, row[i]) })));
      line.dataset.row = number;
      $("#rows tbody").append(line);
    }

    $(".key.other").hidden = others.length === 0;
    place();
    choose(0);
    let width = svg.clientWidth;
    new ResizeObserver(() => { if (svg.clientWidth !== width) { width = svg.clientWidth; place(); } }).observe(svg);
    window.front = { summary, rows, others, points: () => points, choose };
  }

  start().catch((fault) => {
    $("#headline").textContent = typeof DecompressionStream === "undefined" ? "this browser is too old to unpack the page" : String(fault);
    throw fault;
  });
})();
