// Shows what the program computes: one state (the sizes and params), one update that writes everything anew.

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  let keep = () => {};
  if (data.events) {
    history.scrollRestoration = "manual";
    new EventSource(data.events).addEventListener("change", () => { keep(); location.reload(); });
  }
  if (!data.sheets.length) return;

  const KEPT = `tracer ${data.path}`, LOSS = new Set(["T304", "T501", "T502"]);
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
  $("#title").textContent = data.title;
  let stop = () => {}, wanted = 0;

  // Shows one sheet, with the values of another carried over where they have the same names.
  async function start(number, carried, viewed) {
    const mine = ++wanted;
    const [first, found] = await Promise.all([unpacked(0), unpacked(number)]);
    if (mine === wanted) begin(number, found, first.sheet, carried, viewed);
  }

  function begin(number, { sheet, pictures }, firstSheet, carried, viewed) {
    const began = performance.now();
    stop();
    const life = new AbortController(), { signal } = life;
    stop = () => life.abort();
    for (const place of ["#controls", "#listing tbody", "#depth"]) $(place).replaceChildren();
    viewport.replaceChildren(...pictures);
    const program = new Program(sheet.live), nodes = sheet.nodes;
    const at = { ...sheet.live.symbols, ...sheet.live.params }, values = { ...at };
    for (const [name, value] of Object.entries(carried)) if (name in values) values[name] = value;
    const view = { picture: 0, x: 0, y: 0, width: 0, height: 0, chosen: null, ...viewed };
    if (!(view.picture < sheet.pictures.length)) view.picture = 0;
    if (view.chosen !== null && view.chosen >= nodes.length) view.chosen = null;
    let traced = null, queued = false;
    const slot = (index) => (index === null ? null : traced.v[index]);
    const on = (target, event, action, options = {}) => target.addEventListener(event, action, { ...options, signal });

    // --- state ------------------------------------------------------------------------------------------------------
    function set(name, value) {
      if (!Number.isInteger(value) || value < 0 || value > 1e7 || values[name] === value) return;
      values[name] = value;
      if (!queued) { queued = true; requestAnimationFrame(update); }
    }
    keep = () => {
      try { sessionStorage.setItem(KEPT, JSON.stringify({ number, values, at, view, scrolled: scrollY })); } catch { /* no storage here */ }
    };

    // --- controls ---------------------------------------------------------------------------------------------------
    const controls = new Map();
    function addControl(name, isParam) {
      const now = at[name], most = isParam ? Math.max(2 * now, 16) : Math.max(2 * now, name === "N" ? 16 : 512);
      const id = `value-${controls.size}`;
      const number = make("input", { type: "number", id, min: 0, max: 10000000, step: 1 });
      const range = make("input", { type: "range", min: 1, max: most, step: 1, "aria-label": `${name}, slider` });
      const marks = make("canvas", { width: most, height: 1, "aria-hidden": "true" });
      const near = make("div", { className: "near" });
      const label = make("label", { htmlFor: id, textContent: name });
      const texts = sheet.sets[name];
      const box = make("div", { className: "control" }, label, number, make("div", { className: "range" }, range, marks), near);
      if (texts) box.append(make("small", { textContent: `runs: ${texts.runs.text}`,
        title: `runs: ${texts.runs.text}\nlossless: ${texts.lossless.text}\naligned: ${texts.aligned.text}` }));
      number.addEventListener("input", () => set(name, number.valueAsNumber));
      range.addEventListener("input", () => set(name, range.valueAsNumber));
      $("#controls").append(box);
      controls.set(name, { number, range, marks, near, most });
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

    // How far a value of one symbol or param works, with the others as they are, by running the program:
    // 2: nothing is lost and every expectation is met, 1: it runs, 0: it does not, or nobody knows.
    function works(name, value) {
      const found = program.trace({ ...values, [name]: value }, nodes, false);
      if (found.unknown || found.nodes.some((one) => one.state === "wrong")) return 0;
      return found.nodes.some((one) => one.problems.some((problem) => LOSS.has(problem.code))) ? 1 : 2;
    }
    let scan = 0;
    function mark() {
      const mine = ++scan, style = getComputedStyle(document.documentElement);
      const colours = [null, style.getPropertyValue("--faint"), style.getPropertyValue("--mark")];
      const jobs = [...controls].map(([name, control]) => ({ name, control, n: 0, pen: control.marks.getContext("2d") }));
      for (const { control, pen } of jobs) pen.clearRect(0, 0, control.most, 1);
      const step = (deadline) => {
        if (mine !== scan) return;
        while (jobs.length && deadline.timeRemaining() > 2) {
          const job = jobs[0];
          if (++job.n > job.control.most) { jobs.shift(); continue; }
          const level = works(job.name, job.n);
          job.pen.fillStyle = colours[level] ?? "";
          if (level) job.pen.fillRect(job.n - 1, 0, 1, 1);
        }
        if (jobs.length) requestIdleCallback(step);
      };
      requestIdleCallback(step);
    }
    // The nearest values of a level, below and above.
    function nearest(name, level) {
      const found = [null, null];
      for (let away = 1; away <= 256 && (found[0] === null || found[1] === null); away += 1) {
        const below = values[name] - away, above = values[name] + away;
        if (found[0] === null && below >= 1 && works(name, below) >= level) found[0] = below;
        if (found[1] === null && works(name, above) >= level) found[1] = above;
      }
      return found.filter((n) => n !== null);
    }
    function showNear() {
      for (const name of program.symbols) {
        const { near } = controls.get(name), focused = near.contains(document.activeElement);
        const now = works(name, values[name]), full = nearest(name, 2), level = full.length ? 2 : 1;
        const found = full.length ? full : nearest(name, 1);
        const buttons = found.map((n) => make("button", {
          type: "button", textContent: String(n), title: `${name} = ${n}`, onclick: () => set(name, n),
        }));
        const text = buttons.length ? (level === 2 ? "nearest without loss:" : "nearest that run:") : "no size near runs";
        near.replaceChildren(text, ...buttons);
        near.classList.toggle("wrong", now === 0);
        if (focused && buttons.length) buttons[0].focus();
      }
    }
    // Where no single symbol makes it run: the nearest sizes of all of them together, by their sets.
    const member = (set, n) => (n < set.start ? set.finite.includes(n) : set.residues.includes(n % set.modulus));
    function together() {
      for (const kind of ["lossless", "runs"]) {
        const found = {};
        for (const name of program.symbols) {
          const own = sheet.sets[name]?.[kind];
          for (let away = 0; own && away <= 1024 && !(name in found); away += 1) {
            if (values[name] - away >= 1 && member(own, values[name] - away)) found[name] = values[name] - away;
            else if (member(own, values[name] + away)) found[name] = values[name] + away;
          }
        }
        const all = { ...values, ...found };
        const traced = program.trace(all, nodes, false);
        if (Object.keys(found).length && !traced.unknown && traced.nodes.every((one) => one.state !== "wrong")) return found;
      }
      return null;
    }
    const offer = make("div", { className: "control", id: "together", hidden: true });
    $("#controls").append(offer);
    function showTogether() {
      const found = works(program.symbols[0] ?? program.params[0], values[program.symbols[0] ?? program.params[0]]) ? null : together();
      offer.hidden = found === null;
      if (found === null) return;
      const text = Object.entries(found).filter(([name, n]) => n !== values[name]).map(([name, n]) => `${name} = ${n}`).join(", ");
      offer.hidden = text === "";
      offer.replaceChildren(make("label", { textContent: "runs" }), make("div", { className: "near" }, make("button", {
        type: "button", textContent: text, onclick: () => { for (const [name, n] of Object.entries(found)) set(name, n); },
      })));
    }
    let later = 0;
    function afterwards() {
      clearTimeout(later);
      later = setTimeout(() => { showNear(); showTogether(); mark(); }, 120);
    }

    // --- the picture ------------------------------------------------------------------------------------------------
    const drawn = pictures.map((svg, number) => {
      const of = sheet.pictures[number];
      const boxes = $$("[data-box]", svg).map((group) => ({ group, number: +group.dataset.box }))
        .sort((a, b) => a.number - b.number)
        .map(({ group, number: n }) => ({ group, of: of.boxes[n], name: of.names[n], shape: $(".shape", group), title: $("title", group) }));
      const arrows = $$("[data-arrow]", svg).map((group) => {
        const [source, target, node, reader] = of.arrows[+group.dataset.arrow];
        return { group, source, target, node, reader, paths: $$("path", group), arm: $(".arm", group) };
      });
      boxes.forEach((box) => {
        box.group.setAttribute("tabindex", "0");
        box.group.setAttribute("role", "button");
        on(box.group, "pointerenter", () => show(box.of.at(-1)));
        on(box.group, "focus", () => show(box.of.at(-1)));
      });
      return { svg, boxes, arrows };
    });
    sheet.pictures.forEach((one, number) => {
      const name = number === 0 ? "folded" : number === sheet.pictures.length - 1 ? "unfolded" : `${one.depth - 1} unfolded`;
      $("#depth").append(make("option", { value: number, textContent: name }));
    });
    $("#folding").hidden = sheet.pictures.length < 2;
    on($("#depth"), "change", (event) => { view.picture = +event.target.value; view.width = 0; turn(); update(); });

    function turn() {
      pictures.forEach((svg, number) => svg.toggleAttribute("hidden", number !== view.picture));
      $("#depth").value = view.picture;
      if (!view.width) fit(); else place();
    }
    function fit() {
      const svg = pictures[view.picture], { width, height } = viewport.getBoundingClientRect();
      const w = +svg.getAttribute("width"), h = +svg.getAttribute("height");
      const scale = Math.max(Math.min(width / w, height / h), 0.05);
      Object.assign(view, { width: width / scale, height: height / scale, x: (w - width / scale) / 2, y: (h - height / scale) / 2 });
      if (scale < 0.45) {  // tall: begin at the top, at a size that can be read
        const own = Math.min(width / w, 0.9);
        Object.assign(view, { width: width / own, height: height / own, x: (w - width / own) / 2, y: 0 });
      }
      place();
    }
    function place() {
      pictures[view.picture].setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
    }
    function zoom(factor, x = 0.5, y = 0.5) {
      const width = Math.min(Math.max(view.width * factor, 60), 2e5), height = view.height * (width / view.width);
      view.x += (view.width - width) * x;
      view.y += (view.height - height) * y;
      Object.assign(view, { width, height });
      place();
    }
    on(viewport, "wheel", (event) => {
      event.preventDefault();
      const room = viewport.getBoundingClientRect();
      zoom(Math.exp(event.deltaY / 500), (event.clientX - room.left) / room.width, (event.clientY - room.top) / room.height);
    }, { passive: false });
    on(viewport, "pointerdown", (event) => {
      const scale = view.width / viewport.clientWidth, start = { x: view.x, y: view.y, px: event.clientX, py: event.clientY };
      const move = (e) => { view.x = start.x - (e.clientX - start.px) * scale; view.y = start.y - (e.clientY - start.py) * scale; place(); };
      const end = () => { removeEventListener("pointermove", move); removeEventListener("pointerup", end); };
      addEventListener("pointermove", move);
      addEventListener("pointerup", end);
    });
    on(viewport, "keydown", (event) => {
      const step = view.width / 12;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (moves[event.key]) { view.x += moves[event.key][0]; view.y += moves[event.key][1]; place(); event.preventDefault(); }
      else if (event.key === "+" || event.key === "=") zoom(0.8);
      else if (event.key === "-") zoom(1.25);
      else if (event.key === "0") fit();
    });
    for (const button of $$("[data-zoom]")) {
      on(button, "click", () => ({ in: () => zoom(0.8), out: () => zoom(1.25), fit })[button.dataset.zoom]());
    }

    // --- the table --------------------------------------------------------------------------------------------------
    const rows = nodes.map((node, index) => {
      const cells = Array.from({ length: 8 }, (_, n) => make("td", { className: n > 3 ? "number" : "" }));
      const row = make("tr", { tabIndex: 0 }, ...cells);
      cells[0].textContent = node.name;
      cells[1].textContent = node.op;
      const previous = index ? [index - 1] : [];
      cells[3].textContent = String(node.inputs) === String(previous) ? "" : node.inputs.map((i) => nodes[i].name).join(", ");
      row.addEventListener("pointerenter", () => show(index));
      row.addEventListener("focus", () => show(index));
      $("#listing tbody").append(row);
      return { row, cells };
    });

    // --- details ----------------------------------------------------------------------------------------------------
    function show(index) {
      view.chosen = index;
      for (const { boxes } of drawn) for (const box of boxes) box.group.classList.toggle("chosen", box.of.includes(index));
      rows.forEach(({ row }, n) => row.classList.toggle("chosen", n === index));
      describe();
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
      $("#details").replaceChildren(make("h2", { textContent: node.name }), list);
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
      if (sheet.repairs.length) {
        parts.push(make("h2", { textContent: "Repairs of the config as it stands" }));
        parts.push(make("ul", {}, ...sheet.repairs.map((text) => make("li", { textContent: text }))));
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
      for (const [name, { number, range }] of controls) {
        if (number.valueAsNumber !== values[name]) number.value = values[name];
        if (range.valueAsNumber !== values[name]) range.value = values[name];
      }
      updatePicture();
      updateTable();
      updateProblems();
      planNow();
      describe();
      afterwards();
    }
    const isWrong = (one) => one.state === "wrong" || one.problems.some((problem) => problem.severity === "error");
    function updatePicture() {
      const { boxes, arrows } = drawn[view.picture];
      for (const box of boxes) {
        const last = traced.nodes[box.of.at(-1)], text = map(last.shape);
        const wrong = box.of.some((i) => isWrong(traced.nodes[i]));
        if (box.shape.textContent !== text) box.shape.textContent = text;
        box.group.classList.toggle("wrong", wrong);
        box.group.classList.toggle("blocked", !wrong && (last.state === "blocked" || last.state === "unknown"));
        const said = `${box.name}: ${text}${wrong ? ", wrong" : ""}`;
        if (box.group.getAttribute("aria-label") !== said) box.group.setAttribute("aria-label", said);
      }
      for (const arrow of arrows) {
        const wrong = traced.nodes[arrow.reader].state === "wrong";
        for (const path of arrow.paths) path.classList.toggle("wrong", wrong);
        if (wrong) arm(arrow).textContent = map(traced.nodes[arrow.node].shape);
        else if (arrow.arm) arrow.arm.textContent = "";
      }
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
      text.setAttribute("text-anchor", level && tip.x > before.x ? "end" : "start");
      arrow.group.append(text);
      arrow.arm = text;
      return text;
    }
    function updateTable() {
      let params = 0, macs = 0, memory = 0;
      rows.forEach(({ row, cells }, index) => {
        const own = sheet.live.nodes[index], now = traced.nodes[index], known = now.shape !== null;
        const p = known ? slot(own.params) ?? 0 : 0, m = known ? slot(own.macs) ?? 0 : 0, b = size(now.shape);
        params += p; macs += m; memory += b;
        const texts = [dims(now.shape), p ? short(p) : "", m ? short(m) : "", b ? bytes(b) : "", known ? field(index) : ""];
        [2, 4, 5, 6, 7].forEach((cell, n) => { if (cells[cell].textContent !== texts[n]) cells[cell].textContent = texts[n]; });
        row.className = `${isWrong(now) ? "wrong" : now.state === "ok" ? "" : "blocked"}${index === view.chosen ? " chosen" : ""}`;
      });
      const held = traced.nodes.every((one) => one.state === "ok") ? program.memory(traced.v, data.element) : null;
      $("#totals").textContent = `${nodes.length} nodes, ${short(params)} params, ${short(macs)} MACs, ${bytes(memory)} of feature maps`
        + (held === null ? "" : `; training keeps ${bytes(held.training)}, a run without it peaks at ${bytes(held.peak)}, at ${nodes[held.at].name}`);
    }
    function updateProblems() {
      const found = traced.nodes.flatMap((one) => one.problems);
      const same = Object.keys(values).every((name) => values[name] === at[name]);
      const all = same ? sheet.remarks : found;  // for the config's own sizes, what `tracer check` says
      const errors = all.filter((problem) => problem.severity === "error").length;
      const verdict = $("#verdict"), unknown = traced.unknown;
      verdict.className = errors ? "wrong" : unknown ? "" : "good";
      const text = errors ? `${errors} error${errors > 1 ? "s" : ""}` : unknown ? "not known for these sizes" : "runs";
      if (verdict.textContent !== text) verdict.textContent = text;
      const items = all.slice(0, 60).map((problem) => make("li", { className: problem.severity, title: problem.hint ?? "" },
        make("b", { textContent: problem.code }), ` ${problem.message}`));
      if (!items.length) items.push(make("li", { textContent: "none" }));
      $("#problems ul").replaceChildren(...items);
    }

    plan();
    turn();
    update();
    if (view.chosen !== null) show(view.chosen);
    on(window, "resize", () => { view.height = view.width * (viewport.clientHeight / viewport.clientWidth); place(); });
    window.tracer = { program, nodes, values, set, trace: () => traced, update, took: performance.now() - began };
  }

  // After a change of the file: what was set and seen stays, where the config did not change it itself.
  async function open() {
    let kept = null;
    if (data.events) try { kept = JSON.parse(sessionStorage.getItem(KEPT)); } catch { /* no storage here */ }
    const number = kept !== null && kept.number < data.sheets.length ? kept.number : 0, before = {};
    if (kept !== null) {
      const { symbols, params } = (await unpacked(number)).sheet.live, now = { ...symbols, ...params };
      for (const [name, value] of Object.entries(kept.values)) if (kept.at[name] === now[name]) before[name] = value;
    }
    await start(number, before, kept?.view ?? {});
    // Only now is the page as long as it was.
    if (kept !== null) scrollTo(0, kept.scrolled);
  }
  open().catch((fault) => {
    $("#verdict").textContent = typeof DecompressionStream === "undefined" ? "this browser is too old to unpack the page" : String(fault);
    throw fault;
  });
})();
