// Shows what the program computes: one state (the sizes and params), one update that writes everything anew.

(() => {
  let data = JSON.parse(document.getElementById("data").textContent);
  let keep = () => null, silence = null;
  const SILENT = 3000, AGAIN = 1000;  // milliseconds
  const MOST = 1e7;  // the largest size or param that a page takes
  if (data.events) listen();
  if (!data.sheets.length) return;

  // Of a server: whatever changes in the file takes the place of what is here, and nothing else moves.
  function listen() {
    const events = new EventSource(data.events);
    let isTaken = false;
    const take = () => {
      if (isTaken) return;
      isTaken = true;
      events.close();
      load();
    };
    events.addEventListener("change", take);
    events.addEventListener("open", () => { if (silence !== null) take(); });
    events.addEventListener("error", () => {
      miss();
      if (events.readyState === EventSource.CLOSED && !isTaken) setTimeout(listen, AGAIN);
    });
  }
  async function load() {
    let text;
    try {
      text = await (await fetch(location.pathname)).text();
    } catch {
      miss();
      setTimeout(listen, AGAIN);
      return;
    }
    clearTimeout(silence);
    silence = null;
    try { await refresh(text); } catch { location.reload(); }
  }

  // A server that does not answer is said not to, and asked again; what it says then is new, for it may be another one.
  function miss() {
    silence ??= setTimeout(() => {
      const told = document.createElement("section"), head = document.createElement("h2");
      told.className = "told stale silent";
      told.setAttribute("role", "alert");
      head.textContent = "The server does not answer";
      told.append(head, "The page follows the file again when the server is back.");
      document.body.prepend(told);
    }, SILENT);
  }
  async function refresh(text) {
    const page = new DOMParser().parseFromString(text, "text/html"), next = JSON.parse($("#data", page).textContent);
    if (!data.sheets.length || !next.sheets.length) { location.reload(); return; }
    const kept = keep(), focused = document.activeElement?.id, top = scrollY;
    for (const old of $$(".told, script[data-sheet]")) old.remove();
    document.body.prepend(...$$(".told", page).map((one) => document.adoptNode(one)));
    document.body.append(...$$("script[data-sheet]", page).map((one) => document.adoptNode(one)));
    data = next;
    sheets.clear();
    await open(kept);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    scrollTo(0, top);
    listen();
  }

  const isNarrow = matchMedia("(max-width: 900px)");
  // --- small things -----------------------------------------------------------------------------------------------
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element) element[name] = value; else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }
  const $ = (selector, inside = document) => inside.querySelector(selector);
  const $$ = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const dims = (shape) => (shape === null ? "?" : shape.join(" × ") || "scalar");
  const map = (shape) => (shape === null ? "?" : (shape.length > 1 ? shape.slice(1) : shape).join(" × ") || "scalar");
  function short(n, units = ["", " K", " M", " G", " T"], base = 1000) {
    let unit = 0;
    while (n >= base - 0.5 && unit < units.length - 1) { n /= base; unit += 1; }
    return `${unit ? n.toFixed(Math.max(0, 3 - String(Math.floor(n)).length)) : n}${units[unit]}`;
  }
  const bytes = (n) => short(n, [" B", " KiB", " MiB", " GiB", " TiB"], 1024);
  const size = (shape) => (shape === null ? 0 : shape.reduce((a, b) => a * b, 1) * data.element);

  // Every sheet stands deflated in the page, and is unpacked when it is shown for the first time.
  const viewport = $("#viewport"), sheets = new Map();
  async function unpack(number) {
    const packed = atob($(`script[data-sheet="${number}"]`).textContent);
    const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const sheet = JSON.parse(await new Response(stream).text());
    // Markup of the picture's own writer, in which every text of the config is escaped.
    const inside = make("template");
    inside.innerHTML = sheet.pictures.map((one) => one.svg).join("");
    return { sheet, pictures: [...inside.content.children] };
  }
  function unpacked(number) {
    if (!sheets.has(number)) sheets.set(number, unpack(number));
    return sheets.get(number);
  }
  $("#settings").open = !isNarrow.matches;
  isNarrow.addEventListener("change", () => { $("#settings").open = !isNarrow.matches; });

  const fading = new WeakMap();
  async function copied(text, said) {
    clearTimeout(fading.get(said));
    said.textContent = "";
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // a page without leave to write there
      const box = make("textarea", { value: text, readOnly: true });
      document.body.append(box);
      box.select();
      document.execCommand("copy");
      box.remove();
    }
    said.textContent = "copied";
    fading.set(said, setTimeout(() => { said.textContent = ""; }, 2000));
  }
  let stop = () => {}, wanted = 0;

  // What a repair makes of the config: its lines, and which of them are new or gone.
  function changed(source, changes) {
    const lines = source.split("\n"), found = [];
    let at = 0;
    for (const [start, stop, others] of [...changes, [lines.length, lines.length, []]]) {
      for (; at < start; at += 1) found.push({ text: lines[at], kind: "", number: at + 1 });
      for (; at < stop; at += 1) found.push({ text: lines[at], kind: "gone", number: at + 1 });
      for (const text of others) found.push({ text, kind: "new", number: "+" });
    }
    return found;
  }
  const MOST_REPAIRS = 12;

  // The config's text as it is, or with a repair; and what applies, copies or writes a repair.
  function showConfig(first, repair) {
    const box = $("#config"), { source, repairs } = first;
    box.hidden = source === null;
    if (source === null) return;
    const lines = changed(source, repair === null ? [] : repairs[repair].lines);
    $("h2", box).textContent = repair === null ? "Config" : `Config with repair ${repair + 1}`;
    $("pre", box).replaceChildren(...lines.map(({ text, kind, number }) => make("span", { className: kind, "data-line": number, textContent: text })));
    $("#copy-config").onclick = () => copied(lines.filter(({ kind }) => kind !== "gone").map(({ text }) => text).join("\n"), $(".said", box));
    if (repair !== null) {
      const line = $(".new, .gone", box), pre = $("pre", box);
      if (line) pre.scrollTop = line.offsetTop - pre.offsetTop - pre.clientHeight / 3;
    }
  }
  function goToConfig() {
    for (const place of ["#config", "#config .new, #config .gone"]) $(place)?.scrollIntoView({ block: "nearest" });
    $("#config pre").focus({ preventScroll: true });
  }
  function showRepairs(first, shown) {
    const box = $("#repairs"), { repairs } = first, applied = $("#applied");
    box.hidden = !repairs.length;
    applied.hidden = shown === null;
    if (shown !== null) {
      const back = make("button", { type: "button", textContent: "back to the file", onclick: () => start(0, {}, {}) });
      applied.replaceChildren(`This is the network with repair ${shown + 1}; the file is as it was. `, back);
    }
    const items = repairs.slice(0, MOST_REPAIRS).map((repair, n) => {
      const number = data.sheets.findIndex((one) => one.repair === n), said = make("span", { className: "said", role: "status" });
      const tools = make("div", { className: "tools" });
      const add = (text, label, action) => tools.append(make("button", { type: "button", textContent: text, "aria-label": `${label} ${n + 1}`, onclick: action }));
      if (number > 0) add("apply here", "apply repair", () => start(number, {}, {}));
      else tools.append(make("small", { textContent: "the network with it is too large for this page" }));
      if (first.source !== null) add("show the text", "show the text with repair", () => { showConfig(first, n); goToConfig(); });
      if (data.writing) add("write into the file", "write repair", () => write(n, said));
      tools.append(said);
      const title = make("b", { textContent: `${n + 1}. ${repair.title}${repair.safe ? " (safe)" : ""}` });
      const values = repair.values.map((text) => make("code", { textContent: text }));
      const item = make("li", { className: n === shown ? "applied" : "" }, title, ...values, make("small", { textContent: `then: ${repair.effect}` }), tools);
      if (n === shown) item.setAttribute("aria-current", "true");
      return item;
    });
    if (repairs.length > MOST_REPAIRS) items.push(make("li", { className: "muted", textContent: `and ${repairs.length - MOST_REPAIRS} more: see \`tracer plan\`` }));
    $("ol", box).replaceChildren(...items);
  }
  async function write(repair, said) {
    const { address, token, seen } = data.writing;
    try {
      const answer = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token, seen, repair }) });
      said.textContent = (await answer.text()).trim();
    } catch { said.textContent = "the server does not answer"; }
  }

  // Shows one sheet, with the values of another carried over where they have the same names.
  async function start(number, carried, viewed) {
    const mine = ++wanted;
    const [first, found] = await Promise.all([unpacked(0), unpacked(number)]);
    if (mine === wanted) begin(number, found, first.sheet, carried, viewed);
    return mine === wanted;
  }

  function begin(number, { sheet, pictures }, firstSheet, carried, viewed) {
    const began = performance.now();
    stop();
    const life = new AbortController(), { signal } = life;
    stop = () => life.abort();
    for (const place of ["#controls", "#depth"]) $(place).replaceChildren();
    viewport.replaceChildren(...pictures);
    const program = new Program(sheet.live), nodes = sheet.nodes, nearby = new Nearby(program, nodes);
    const at = { ...sheet.live.symbols, ...sheet.live.params }, values = { ...at };
    for (const [name, value] of Object.entries(carried)) if (name in values) values[name] = value;
    const unfolded = data.depth > 1 ? sheet.pictures.findLastIndex((one) => one.depth <= data.depth) : 0;
    const view = { picture: unfolded, x: 0, y: 0, width: 0, height: 0, fitted: null, chosen: null, ...viewed };
    if (!(view.picture < sheet.pictures.length)) view.picture = 0;
    if (view.chosen !== null && view.chosen >= nodes.length) view.chosen = null;
    let traced = null, queued = false;
    const slot = (index) => (index === null ? null : traced.v[index]);
    const on = (target, event, action, options = {}) => target.addEventListener(event, action, { ...options, signal });

    // --- state ------------------------------------------------------------------------------------------------------
    const isValue = (value) => Number.isInteger(value) && value >= 0 && value <= MOST;
    function set(name, value) {
      if (!isValue(value) || values[name] === value) return;
      values[name] = value;
      if (!queued) { queued = true; requestAnimationFrame(update); }
    }
    keep = () => ({ number, values, at, view });

    // --- controls ---------------------------------------------------------------------------------------------------
    const controls = new Map();
    function addControl(name, isParam) {
      const now = at[name], most = isParam ? Math.max(2 * now, 16) : Math.max(2 * now, name === "N" ? 16 : 512);
      const id = `value-${controls.size}`;
      const number = make("input", { type: "number", id, min: 0, max: MOST, step: 1, "aria-describedby": `${id}-refused` });
      const range = make("input", { type: "range", min: 1, max: most, step: 1, "aria-label": `${name}, slider` });
      const marks = make("canvas", { width: most, height: 1, "aria-hidden": "true" });
      const near = make("div", { className: "near" });
      const label = make("label", { htmlFor: id, textContent: name });
      const refused = make("small", { id: `${id}-refused`, className: "refused", role: "status" });
      const box = make("div", { className: "control" }, label, number, make("div", { className: "range" }, range, marks), refused, near);
      // What is no value stays in its field, and is said to be none.
      const judge = () => {
        const isGood = isValue(number.valueAsNumber), what = isParam ? "a param is here" : "a size is";
        if (isGood) number.removeAttribute("aria-invalid"); else number.setAttribute("aria-invalid", "true");
        refused.textContent = isGood ? "" : `${what} a whole number from 0 to ${MOST}; the picture is that of ${name} = ${values[name]}`;
      };
      number.addEventListener("input", () => { judge(); set(name, number.valueAsNumber); });
      range.addEventListener("input", () => set(name, range.valueAsNumber));
      $("#controls").append(box);
      controls.set(name, { number, range, marks, near, most, judge });
    }
    for (const name of program.symbols) addControl(name, false);
    for (const name of program.params) addControl(name, true);
    // A param that decides what layers there are: its values are sheets.
    const fixed = { ...firstSheet.live.fixed, ...sheet.live.fixed };
    for (const [name, why] of Object.entries(fixed)) {
      const own = data.sheets.map((one, n) => [one, n]).filter(([one]) => one.param === name);
      const label = make("label", { textContent: name });
      const box = make("div", { className: "control" }, label);
      if (own.length) {
        const id = `value-${name}`, select = make("select", { id });
        label.htmlFor = id;
        const choices = [[data.numbers[name], 0], ...own.map(([one, n]) => [one.value, n])].sort(([a], [b]) => a - b);
        for (const [value, n] of choices) select.append(make("option", { value: n, textContent: value }));
        select.value = sheet.param === name ? number : 0;
        on(select, "change", async () => { await start(+select.value, values, {}); $(`#value-${CSS.escape(name)}`).focus(); });
        box.append(select);
      }
      box.append(make("small", { textContent: own.length ? why : `fixed here: ${why}`, title: why }));
      $("#controls").append(box);
    }

    // What works of every symbol and param, value by value, while the browser has nothing else to do.
    const isDeclared = (name) => Object.keys(values).every((other) => other === name || values[other] === at[other]);
    let scan = 0;
    function mark() {
      const mine = ++scan, style = getComputedStyle(document.documentElement);
      const colours = [null, style.getPropertyValue("--faint"), style.getPropertyValue("--mark")];
      const jobs = [...controls].map(([name, control]) => ({ name, control, levels: new Map(), left: scanned(control.most, values[name]).reverse(), pen: control.marks.getContext("2d") }));
      for (const { control, pen } of jobs) pen.clearRect(0, 0, control.most, 1);
      const step = (deadline) => {
        if (mine !== scan) return;
        while (jobs.length && deadline.timeRemaining() > 2) {
          const { name, control, levels, left, pen } = jobs[0];
          if (!left.length) {
            control.near.firstChild.textContent = sentence(answers[name], worthwhile(answers[name], values), setText(levels, sheet.sets[name], isDeclared(name)));
            jobs.shift();
            continue;
          }
          const n = left.pop(), level = nearby.level({ ...values, [name]: n });
          levels.set(n, level);
          pen.fillStyle = colours[level] ?? "";
          if (level) pen.fillRect(n - 1, 0, 1, 1);
        }
        if (jobs.length) requestIdleCallback(step);
      };
      requestIdleCallback(step);
    }

    // A button that goes to other values of some symbols; `all`: the names of which it says the numbers alone.
    function offer(values, all = []) {
      const text = Object.entries(values).map(([name, n]) => `${name} = ${n}`).join(", ");
      const said = all.length === Object.keys(values).length ? Object.values(values).join(" × ") : text;
      return make("button", { type: "button", textContent: said, title: text, "aria-label": text, onclick: () => {
        for (const [name, n] of Object.entries(values)) set(name, n);
      } });
    }
    let answers = {};
    function showNear() {
      answers = nearby.answers(values);
      for (const [name, { near }] of controls) {
        const answer = answers[name], focused = near.contains(document.activeElement);
        const offers = worthwhile(answer, values), buttons = offers.map((one) => offer(one, [name, ...answer.with]));
        near.replaceChildren(make("span", { textContent: sentence(answer, offers, "") }), ...buttons);
        near.classList.toggle("wrong", answer.now === REFUSED && answer.kind !== "others");
        if (focused && buttons.length) buttons[0].focus();
      }
      showBeside();
    }
    let later = 0;
    function afterwards() {
      clearTimeout(later);
      later = setTimeout(() => { showNear(); mark(); }, 120);
    }

    // --- the picture ------------------------------------------------------------------------------------------------
    // Where a box is drawn, as its rectangles say.
    function placed(group) {
      const all = $$("rect", group).map((one) => Object.fromEntries(["x", "y", "width", "height"].map((name) => [name, +one.getAttribute(name)])));
      return around(all);
    }
    // Of every picture the rows of its table, its boxes or units of maps, and its arrows.
    const sizeOf = (node) => mapSize(traced.nodes[node].shape, nodes[node].places);
    function boxesOf(svg, of) {
      const boxes = $$("[data-box]", svg).sort((a, b) => a.dataset.box - b.dataset.box).map((group, n) => {
        return { group, of: of.boxes[n], main: of.boxes[n].at(-1), name: of.names[n], shape: $(".shape", group), ...placed(group) };
      });
      const arrows = $$("[data-arrow]", svg).map((group) => {
        const [source, target, node, reader] = of.arrows[+group.dataset.arrow];
        return { group, source, target, node, brought: node, reader, paths: $$("path", group), arm: $(".arm", group) };
      });
      return { boxes, arrows };
    }
    const drawn = pictures.map((svg, number) => {
      const of = sheet.pictures[number], maps = of.maps && new MapPicture(svg, of.maps, sizeOf);
      const { boxes, arrows } = maps ?? boxesOf(svg, of);
      boxes.forEach((box, n) => {
        const pointed = (event) => maps?.pointed(box, event.target) ?? box.main;
        box.group.setAttribute("tabindex", n ? "-1" : "0");
        box.group.setAttribute("role", "button");
        on(box.group, "pointerover", (event) => { if (!isNarrow.matches) show(pointed(event)); });
        on(box.group, "click", (event) => { show(pointed(event)); read(); });
        on(box.group, "focus", () => focused(boxes, n));
      });
      return { svg, of, maps, boxes, arrows };
    });
    sheet.pictures.forEach((one, number) => {
      const isLast = number > 0 && number === sheet.pictures.length - 1 && one.depth > 1;
      $("#depth").append(make("option", { value: number, textContent: isLast ? "unfolded" : one.label }));
    });
    $("#folding").hidden = sheet.pictures.length < 2;
    on($("#depth"), "change", (event) => { view.picture = +event.target.value; view.width = 0; turn(); update(); firstView(); });

    // The boxes that have a node: the units that show its map, where there are any.
    function holders({ boxes }, index) {
      const found = boxes.filter((box) => box.of.includes(index)), exact = found.filter((box) => box.maps?.includes(index));
      return exact.length ? exact : found;
    }

    const picture = new View(viewport, view, () => { placeBeside(); sayHow(); });
    picture.listen(on);
    function turn() {
      pictures.forEach((svg, number) => svg.toggleAttribute("hidden", number !== view.picture));
      $("#depth").value = view.picture;
      picture.turn(pictures[view.picture], drawn[view.picture].boxes);
      const { of } = drawn[view.picture];
      $("#legend").hidden = !of.maps;
      table.turn(of.boxes.map((own, n) => ({ of: own, name: of.names[n], op: of.ops[n], from: sources(of, n) })));
    }
    // How the picture is drawn, and that it cannot be read as a whole where that is so.
    function sayHow() {
      const letters = FONT * picture.scale, isSmall = view.fitted === "all" && letters < FONT * LEGIBLE - 0.05;
      const { of, maps } = drawn[view.picture], isOpen = maps && nodes.some((one) => one.places.length) && sheet.live.nodes.every((one) => !one.grid.length);
      const isMoved = isOpen && program.params.some((name) => values[name] !== at[name]);
      const others = isMoved ? "levels and colours are those of the config's own params" : "";
      const said = [of.said, others, isSmall ? `letters have ${letters.toFixed(letters < 2 ? 1 : 0)} pixels: zoom in` : ""].filter(Boolean).join("; ");
      if ($("#drawn-as").textContent !== said) $("#drawn-as").textContent = said;
    }
    // The first view: all of it, or what is wrong; after a change of the file what was seen before.
    function firstView() {
      inWindow();
      picture.fault = fault();
      if (view.width) picture.resize(); else picture.fit();
    }

    // The picture ends where the window does, as far as it is large enough then; in a narrow one it is no higher than it has to be.
    function inWindow() {
      const aside = $("aside"), legend = $("#legend"), topOf = (one) => one.getBoundingClientRect().top + scrollY;
      if (isNarrow.matches) {
        // As high as the picture is where it is as wide as the window.
        const { width, height } = picture.whole, own = ((height + 2 * ROOM) * viewport.clientWidth) / (width + 2 * ROOM);
        const high = traced.nodes.some(isWrong) ? Infinity : Math.max(own, 240);
        viewport.style.height = `${Math.min(high, 0.56 * innerHeight)}px`;
        aside.style.maxHeight = "";
        return;
      }
      const below = legend.hidden ? 0 : legend.offsetHeight + 4;
      viewport.style.height = `${Math.max(innerHeight - topOf(viewport) - below - 12, 360)}px`;
      aside.style.maxHeight = `${Math.max(innerHeight - topOf(aside) - 12, 240)}px`;
    }

    // The boxes that a row reads, besides the row before it.
    function sources(of, n) {
      const found = [...new Set(of.arrows.filter(([, target]) => target === n).map(([source]) => source))];
      return found.length === 1 && found[0] === n - 1 ? "" : found.map((source) => of.names[source]).join(", ");
    }

    // What is wrong and the boxes that it reads, where they are near.
    function fault() {
      const { boxes, arrows } = drawn[view.picture], n = boxes.findIndex((box) => box.of.some((i) => isWrong(traced.nodes[i])));
      if (n < 0) return null;
      const read = arrows.filter((arrow) => arrow.target === n), arms = read.filter((arrow) => arrow.arm).map((arrow) => arrow.arm.getBBox());
      const own = around([boxes[n], ...arms]), all = around([own, ...read.map((arrow) => boxes[arrow.source])]);
      const { width, height } = picture.room;
      const fits = Math.min(width / (all.width + 2 * ROOM), height / (all.height + 2 * ROOM)) >= LEGIBLE;
      return fits ? all : own;
    }

    // The focus goes from box to box: the picture moves, and never the page.
    function focused(boxes, n) {
      for (const [k, box] of boxes.entries()) box.group.setAttribute("tabindex", k === n ? "0" : "-1");
      picture.reveal(boxes[n]);
      show(boxes[n].main);
    }
    function step(event) {
      const { boxes } = drawn[view.picture], now = boxes.findIndex((box) => box.group === document.activeElement);
      const next = now < 0 && !event.shiftKey ? boxes.findIndex((box) => box.group.getAttribute("tabindex") === "0") : now + (event.shiftKey ? -1 : 1);
      if (now < 0 && event.shiftKey) return;
      event.preventDefault();
      if (next < 0) { viewport.focus({ preventScroll: true }); return; }
      if (next < boxes.length) { boxes[next].group.focus({ preventScroll: true }); return; }
      $("#details").focus({ preventScroll: true });
    }
    on(document, "keydown", (event) => { if (event.key === "Escape") document.body.classList.remove("reading"); });
    on(viewport, "keydown", (event) => {
      if (event.key === "Tab" && !event.ctrlKey && !event.altKey) step(event);
      else if ((event.key === "Enter" || event.key === " ") && event.target !== viewport) { event.preventDefault(); read(); }
      else if (!event.ctrlKey && !event.metaKey && picture.key(event.key)) event.preventDefault();
    });
    for (const button of $$("[data-zoom]")) {
      const zooms = { in: () => picture.zoom(0.8), out: () => picture.zoom(1.25), fit: () => { picture.fault = fault(); picture.fit(); } };
      on(button, "click", zooms[button.dataset.zoom]);
    }

    // Beside what is wrong: what meets there, and the sizes that would work.
    const note = $("#beside");
    function showBeside() {
      const index = traced.nodes.findIndex(isWrong), said = index < 0 ? null : traced.nodes[index].problems.find((one) => one.severity === "error");
      note.hidden = !said;
      if (!said) return;
      const { now } = Object.values(answers)[0] ?? { now: FULL };
      const offers = new Map(Object.values(answers).flatMap((one) => one.offers).map((one) => [JSON.stringify(one), one]));
      const parts = [make("b", { textContent: nodes[index].name }), make("p", { textContent: said.message })];
      if (offers.size && now !== FULL) {
        const buttons = [...offers.values()].slice(0, 4).map((one) => offer(one));
        parts.push(make("div", { className: "near" }, now === REFUSED ? "runs with" : "as wanted with", ...buttons));
      }
      note.replaceChildren(...parts);
      placeBeside();
    }
    // The sizes on the arms of a box and the lines that bring them, as rectangles.
    function arms(n) {
      const found = [];
      for (const arrow of drawn[view.picture].arrows.filter((one) => one.target === n)) {
        if (arrow.arm) found.push(arrow.arm.getBBox());
        const line = arrow.paths[0], length = line.getTotalLength();
        for (let along = 0; along <= length; along += Math.max(24, length / 40)) {
          const { x, y } = line.getPointAtLength(along);
          found.push({ x: x - 6, y: y - 6, width: 12, height: 12 });
        }
      }
      return found;
    }
    function placeBeside() {
      if (note.hidden || !traced) return;
      const { boxes } = drawn[view.picture], n = boxes.findIndex((box) => box.of.some((i) => isWrong(traced.nodes[i])));
      if (n < 0) { note.hidden = true; return; }
      const target = picture.onScreen(boxes[n]), room = picture.room;
      const isSeen = meets(target, { x: 0, y: 0, ...room });
      note.style.visibility = isSeen ? "visible" : "hidden";
      if (!isSeen) return;
      const others = [...boxes.filter((_, k) => k !== n), ...arms(n)].map((box) => picture.onScreen(box)).filter((box) => meets(box, { x: 0, y: 0, ...room }));
      const { x, y } = beside({ width: note.offsetWidth, height: note.offsetHeight }, target, others, room);
      note.style.left = `${x}px`;
      note.style.top = `${y}px`;
    }

    // --- the table --------------------------------------------------------------------------------------------------
    const table = new Table($("#listing"), (index) => show(index), on);
    const said = $("#listing .said");
    on($("#copy-markdown"), "click", () => copied(table.markdown(), said));
    on($("#copy-csv"), "click", () => copied(table.csv(), said));

    // --- details ----------------------------------------------------------------------------------------------------
    function show(index) {
      view.chosen = index;
      for (const one of drawn) {
        const chosen = new Set(holders(one, index));
        for (const arrow of one.arrows) {
          const isNear = chosen.has(one.boxes[arrow.source]) || chosen.has(one.boxes[arrow.target]);
          arrow.group.classList.toggle("near", isNear);
        }
        for (const box of one.boxes) {
          box.group.classList.toggle("chosen", chosen.has(box));
          box.rects?.forEach((rect, n) => rect.classList.toggle("at", box.drawn[n] === index && box.maps.length > 1));
        }
      }
      table.choose(index);
      describe();
    }
    // On a narrow window the details are a sheet over the page, which a tap opens.
    function read() {
      if (isNarrow.matches) { document.body.classList.add("reading"); $("#details").focus({ preventScroll: true }); }
    }
    // Shows a node in the picture, in the table and in the config.
    function goTo(index, line) {
      if (index !== null) {
        const [box] = holders(drawn[view.picture], index);
        if (box) { picture.reveal(box); box.group.focus({ preventScroll: true }); }
        if (isNarrow.matches) $("#drawing").scrollIntoView({ block: "start" });
        show(index);
      }
      const text = line === null ? null : $(`#config [data-line="${line}"]`);
      for (const one of $$("#config .here")) one.classList.remove("here");
      if (!text) return;
      text.classList.add("here");
      const box = $("#config pre");
      box.scrollTop = text.offsetTop - box.offsetTop - box.clientHeight / 3;
    }
    function describe() {
      const index = view.chosen;
      if (index === null || !traced) return;
      const node = nodes[index], own = sheet.live.nodes[index], now = traced.nodes[index];
      const list = make("dl");
      const say = (term, text) => { if (text) list.append(make("dt", { textContent: term }), make("dd", { textContent: text })); };
      say("operation", `${node.op}${node.args ? ` (${node.args})` : ""}`);
      say("line", String(node.line));
      say("from", [...node.inputs.map((i) => `${nodes[i].name} ${map(traced.nodes[i].shape)}`),
        ...Object.entries(node.operands).map(([field, i]) => `${field}: ${nodes[i].name}`)].join(", "));
      say("output", now.state === "unknown" ? "not known for these sizes: see `tracer trace`" : dims(now.shape));
      say("formula", node.about);
      if (now.shape) {
        own.working.forEach((text, dim) => {
          if (text) say(`dim ${dim}`, `${program.text(text, traced.v)} = ${now.shape[dim]}`);
        });
        say("field", field(index));
        own.grid.forEach((grid, dim) => {
          if (!grid) return;
          const [n, d, on, od] = grid.map(slot);
          say(`grid ${dim}`, `stride ${ratio(n, d)}, offset ${ratio(on, od)} input pixels`);
        });
        say("params", slot(own.params) ? short(slot(own.params)) : "");
        say("MACs", slot(own.macs) ? short(slot(own.macs)) : "");
        say("memory", bytes(size(now.shape)));
      }
      for (const problem of now.problems) say(`${problem.code}`, problem.message + (problem.hint ? ` — ${problem.hint}` : ""));
      const close = make("button", { type: "button", className: "close", textContent: "close", onclick: () => document.body.classList.remove("reading") });
      $("#details").replaceChildren(make("h2", { textContent: node.name }), close, list);
    }
    function field(index) {
      const node = nodes[index];
      if (!node.field.length) return "";
      const text = [...new Set(node.field.map((n) => (n === null ? "whole input" : n < 0 ? "?" : String(n))))].join(" × ");
      const moved = Object.keys(values).some((name) => values[name] !== at[name]);
      return node.steady || !moved ? text : `${text} (at ${Object.entries(sheet.live.symbols).map(([s, n]) => `${s}=${n}`).join(", ")})`;
    }

    // --- the plan ---------------------------------------------------------------------------------------------------
    function plan() {
      const box = $("#planner div"), { choices, planned } = sheet.live;
      const parts = [];
      if (!choices.length) parts.push(make("p", { className: "muted", textContent: "Nothing is left open: the config has no auto." }));
      else {
        if (!planned) parts.push(make("p", { className: "muted", textContent: "These values are for the sizes of the config; they do not follow a residue." }));
        for (const symbol of [...new Set(choices.map((c) => c.symbol))]) {
          const own = choices.filter((c) => c.symbol === symbol);
          const length = Math.max(...own.map((c) => c.values.length));
          const head = make("tr", {}, make("th", { textContent: symbol === null ? "" : `${symbol} mod ${length}` }),
            ...own.map((c) => make("th", { textContent: c.name })));
          const body = Array.from({ length }, (_, r) => make("tr", { "data-residue": r },
            make("td", { textContent: symbol === null ? "" : String(r) }), ...own.map((c) => make("td", { textContent: String(c.values[r % c.values.length]) }))));
          const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
          if (symbol !== null) table.dataset.symbol = symbol;
          parts.push(make("div", { className: "scroll" }, table));
        }
      }
      box.replaceChildren(...parts);
    }
    function planNow() {
      for (const table of $$("#planner table[data-symbol]")) {
        const rowsOf = $$("tr[data-residue]", table), r = values[table.dataset.symbol] % rowsOf.length;
        rowsOf.forEach((row, n) => row.classList.toggle("now", n === r));
      }
    }

    // --- one update -------------------------------------------------------------------------------------------------
    function update() {
      queued = false;
      traced = program.trace(values, nodes);
      for (const [name, { number, range, judge }] of controls) {
        const isTyped = number === document.activeElement && !isValue(number.valueAsNumber);
        if (number.valueAsNumber !== values[name] && !isTyped) number.value = values[name];
        judge();
        if (range.valueAsNumber !== values[name]) range.value = values[name];
      }
      if (!traced.nodes.some(isWrong)) note.hidden = true;
      updatePicture();
      updateTotals();
      updateTable();
      updateProblems();
      planNow();
      describe();
      afterwards();
    }
    const isWrong = (one) => one.state === "wrong" || one.problems.some((problem) => problem.severity === "error");
    function updatePicture() {
      const { boxes, arrows, maps, of } = drawn[view.picture];
      for (const box of boxes) {
        const last = traced.nodes[box.main], text = map(last.shape);
        const wrong = box.of.some((i) => isWrong(traced.nodes[i])), isBehind = !wrong && (last.state === "blocked" || last.state === "unknown");
        if (maps) maps.label(box); else if (box.shape.textContent !== text) box.shape.textContent = text;
        box.group.classList.toggle("wrong", wrong);
        box.group.classList.toggle(maps ? "unknown" : "blocked", isBehind);
        const said = `${box.name}: ${text}${wrong ? ", wrong" : ""}`;
        if (box.group.getAttribute("aria-label") !== said) box.group.setAttribute("aria-label", said);
      }
      const kinds = new Set(), isRefused = (index) => traced.nodes[index].state === "wrong";
      for (const arrow of arrows) {
        // A layer that an arrow stands for may be what refuses the map.
        const wrong = isRefused(arrow.reader) || (arrow.brought !== arrow.node && isRefused(arrow.brought));
        const brings = isRefused(arrow.reader) ? arrow.brought : arrow.node;
        if (maps) {
          const kind = wrong ? "wrong" : traced.nodes[boxes[arrow.target].main].shape === null ? "unknown" : arrow.kind;
          maps.colour(arrow, kind, data.ways);
          kinds.add(kind);
        } else {
          for (const path of arrow.paths) {
            path.classList.toggle("wrong", wrong);
            path.classList.toggle("after", traced.nodes[arrow.node].shape === null);
          }
        }
        if (wrong) arm(arrow).textContent = map(traced.nodes[brings].shape);
        else if (arrow.arm) arrow.arm.textContent = "";
      }
      standApart(arrows.filter((arrow) => arrow.arm?.textContent).map((arrow) => arrow.arm));
      if (!maps) return;
      const gridOf = (node) => sheet.live.nodes[node].grid.filter((grid) => grid !== null);
      const moved = Object.keys(values).some((name) => values[name] !== at[name]);
      sayHow();
      maps.level((node) => gridOf(node).map(([n, d]) => [slot(n), slot(d)]), moved);
      const colours = Object.entries(data.ways).filter(([kind]) => kinds.has(kind));
      legend($("#legend"), [...colours, ...of.maps.signs.map((words) => ["", words])]);
    }
    // Where the size that an arrow brings is written: beside its tip.
    function arm(arrow) {
      if (arrow.arm) return arrow.arm;
      const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
      const line = arrow.paths[0], length = line.getTotalLength();
      const tip = line.getPointAtLength(length), before = line.getPointAtLength(length - 2);
      const level = Math.abs(tip.y - before.y) < 0.5;
      text.setAttribute("class", "arm");
      text.setAttribute("x", level ? tip.x - 9 * Math.sign(tip.x - before.x) : tip.x + 8);
      text.setAttribute("y", level ? tip.y - 6 : tip.y - 14 * Math.sign(tip.y - before.y));
      text.style.textAnchor = level && tip.x > before.x ? "end" : "start";  // before what the picture's style says
      arrow.group.append(text);
      arrow.arm = text;
      return text;
    }
    function updateTable() {
      table.update((box) => {
        const last = box.of.at(-1), now = traced.nodes[last], sum = { params: 0, macs: 0, memory: 0 };
        let isRead = false;
        for (const index of box.of) {
          const own = costs[index];
          if (own === null) continue;
          isRead = true;
          for (const name of Object.keys(sum)) sum[name] += own[name];
        }
        const wrong = box.of.some((index) => isWrong(traced.nodes[index]));
        const state = wrong ? "wrong" : now.state === "ok" ? "" : "blocked", seen = now.shape === null ? "" : field(last);
        const count = (n) => [n, n && isRead ? short(n) : ""];
        return {
          state, output: [now.shape === null ? -1 : now.shape.reduce((a, b) => a * b, 1), dims(now.shape)], params: count(sum.params), macs: count(sum.macs),
          memory: [sum.memory, sum.memory ? bytes(sum.memory) : ""], field: [parseInt(seen, 10) || (seen ? Infinity : -1), seen],
        };
      }, view.chosen);
    }
    // By node: parameters, MACs and bytes, where it has a shape.
    let costs = [];
    function updateTotals() {
      const sum = { params: 0, macs: 0, memory: 0 };
      costs = traced.nodes.map((now, index) => {
        const own = sheet.live.nodes[index];
        return now.shape === null ? null : { params: slot(own.params) ?? 0, macs: slot(own.macs) ?? 0, memory: size(now.shape) };
      });
      for (const own of costs) if (own !== null) for (const name of Object.keys(sum)) sum[name] += own[name];
      const stops = traced.nodes.findIndex((one) => one.shape === null);
      const held = stops < 0 ? program.memory(traced.v, data.element) : null;
      const least = stops < 0 ? sum.params : sum.params + behind(), params = short(sum.params);
      const all = stops < 0 ? `${params} params` : least > sum.params ? `${params} of at least ${short(least)} params` : `${params} params at least`;
      $("#totals").textContent = `${nodes.length} nodes, ${all}, ${short(sum.macs)} MACs, ${bytes(sum.memory)} of feature maps`
        + (stops < 0 ? "" : ` up to ${nodes[stops].name}`)
        + (held === null ? "" : `; training keeps ${bytes(held.training)}, a run without it peaks at ${bytes(held.peak)}, at ${nodes[held.at].name}`);
      $("#totals").classList.toggle("partial", stops >= 0);
    }
    // The parameters of nodes without a shape that follow from nothing that is wrong.
    function behind() {
      const wrong = nearby.broken(values, REFUSED).reduce((all, ask) => all | ask.on, 0);
      return sheet.live.nodes.reduce((sum, own, index) => {
        const isKnown = costs[index] === null && own.params !== null && !(nearby.slots[own.params] & wrong);
        return sum + (isKnown ? slot(own.params) : 0);
      }, 0);
    }
    const order = { error: 0, warning: 1 };
    function updateProblems() {
      const found = traced.nodes.flatMap((one) => one.problems);
      const same = Object.keys(values).every((name) => values[name] === at[name]);
      const all = [...(same ? sheet.remarks : found)];  // for the config's own sizes, what `tracer check` says
      all.sort((a, b) => (order[a.severity] ?? 2) - (order[b.severity] ?? 2));
      const errors = all.filter((problem) => problem.severity === "error").length;
      const verdict = $("#verdict"), unknown = traced.unknown;
      verdict.className = errors ? "wrong" : unknown ? "" : "good";
      const text = errors ? `${errors} error${errors > 1 ? "s" : ""}` : unknown ? "not known for these sizes" : "runs";
      if (verdict.textContent !== text) verdict.textContent = text;
      const items = all.slice(0, 60).map((problem) => {
        const where = problem.line === null ? "" : ` line ${problem.line}:`;
        const button = make("button", { type: "button", onclick: () => goTo(problem.node, problem.line) }, make("b", { textContent: problem.code }), `${where} ${problem.message}`);
        const item = make("li", { className: problem.severity }, button);
        if (problem.hint) item.append(make("small", { textContent: problem.hint }));
        return item;
      });
      if (all.length > 60) items.push(make("li", { className: "muted", textContent: `and ${all.length - 60} more` }));
      if (!items.length) items.push(make("li", { textContent: "none" }));
      $("#problems ul").replaceChildren(...items);
    }

    plan();
    const { repair } = data.sheets[number];
    showRepairs(firstSheet, repair);
    showConfig(firstSheet, repair);
    turn();
    update();
    firstView();
    if (view.chosen !== null) show(view.chosen);
    on(window, "resize", () => { inWindow(); picture.resize(); });
    const watching = new ResizeObserver(() => { inWindow(); picture.resize(); });
    for (const place of ["#controls", "#legend"]) watching.observe($(place));
    signal.addEventListener("abort", () => watching.disconnect());
    window.tracer = { program, nodes, values, set, trace: () => traced, update, answers: (other) => nearby.answers(other), view, took: performance.now() - began };
  }

  // After a change of the file: what was set and seen stays, where the config did not change it itself.
  async function open(kept) {
    document.title = $("#title").textContent = data.title;
    $("#drawing").dataset.dated = data.dated ?? "";
    const isThere = kept !== null && kept.number < data.sheets.length && data.sheets[kept.number].repair === null;
    const number = isThere ? kept.number : 0, before = {};
    if (kept !== null) {
      const { symbols, params } = (await unpacked(number)).sheet.live, now = { ...symbols, ...params };
      for (const [name, value] of Object.entries(kept.values)) if (kept.at[name] === now[name]) before[name] = value;
    }
    await start(number, before, kept?.view ?? {});
  }
  open(null).catch((fault) => {
    $("#verdict").textContent = typeof DecompressionStream === "undefined" ? "this browser is too old to unpack the page" : String(fault);
    throw fault;
  });
})();
