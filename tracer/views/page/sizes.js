// Which sizes run near the present ones: what a symbol's card says. Nothing here touches the page.

const LOSS = new Set(["T304", "T501", "T502"]);

// How far from the present value others are looked for, and how many of each symbol are tried together.
const FAR = 512, TOGETHER = 6, TRIED = 300;

// 2: nothing is lost and every expectation is met, 1: it runs, 0: it does not, or nobody knows.
const FULL = 2, RUNS = 1, REFUSED = 0;

const NOTHING = { level: REFUSED, offers: [] };

// Of values to go to those that are others than now.
function changes(offer, values) {
  return Object.fromEntries(Object.entries(offer).filter(([name, n]) => n !== values[name]));
}

class Nearby {
  constructor(program, nodes) {
    this.program = program;
    this.nodes = nodes;
    this.names = [...program.symbols, ...program.params];
    this.slots = this.reads();
    this.asks = [];
    for (const node of program.live.nodes) {
      for (const ask of node.asks) {
        const loses = LOSS.has(ask.code);
        if (ask.severity === "error" || loses) this.asks.push({ holds: ask.holds, loses, isPromise: ask.code === "T304", on: this.read(ask.holds, this.slots) });
      }
    }
  }

  bit(name) { return 1 << Math.min(this.names.indexOf(name), 30); }

  // By slot: the symbols and params that it follows from, one bit each.
  reads() {
    const { live, symbols } = this.program, found = this.names.map((name) => this.bit(name));
    for (const choice of live.choices) found.push(symbols.includes(choice.symbol) ? this.bit(choice.symbol) : 0);
    if (!found.length) found.push(0);
    for (const step of live.steps) {
      if (step[0] < 2) found.push(found[step[1]]);
      else if (step[0] === 2) found.push(step[1].flatMap(([, slots]) => slots).reduce((all, slot) => all | found[slot], 0));
      else {
        const parts = TAKES[step[0]].map((takes, n) => (takes === "size" ? found[step[n + 1]] : takes === "condition" ? this.read(step[n + 1], found) : 0));
        found.push(parts.reduce((all, part) => all | part, 0));
      }
    }
    return found;
  }

  read(holds, reads) {
    if (typeof holds === "boolean") return 0;
    const [relation, a, b] = holds;
    return relation === "and" || relation === "or" ? this.read(a, reads) | this.read(b, reads) : reads[a];
  }

  // How well the network works with these values.
  level(values) {
    const found = this.program.trace(values, this.nodes, false);
    if (found.unknown || found.nodes.some((one) => one.state !== "ok")) return REFUSED;
    return found.nodes.some((one) => one.problems.some((problem) => LOSS.has(problem.code))) ? RUNS : FULL;
  }

  // How well it works as far as one name alone decides that.
  own(name, values) {
    const v = this.program.run(values), bit = this.bit(name);
    let level = FULL;
    for (const ask of this.asks) {
      if (ask.on !== bit || this.program.truth(ask.holds, v)) continue;
      if (!ask.loses) return REFUSED;
      level = RUNS;
    }
    return level;
  }

  // The demands that are broken, of a network that runs those of which something is lost.
  broken(values, level) {
    const v = this.program.run(values);
    return this.asks.filter((ask) => ask.loses === (level === RUNS) && !this.program.truth(ask.holds, v));
  }

  // The nearest value of a name below and above that works so well, the others as they are; null where there is none.
  nearest(name, values, level) {
    const found = { below: null, above: null }, now = values[name];
    for (let away = 1; away <= FAR && (found.below === null || found.above === null); away += 1) {
      for (const [side, n] of [["below", now - away], ["above", now + away]]) {
        if (found[side] !== null || n < 1) continue;
        const other = { ...values, [name]: n };
        if (this.own(name, other) >= level && this.level(other) >= level) found[side] = n;
      }
    }
    return found;
  }

  // The nearest values of several names that work so well together: all of them larger or as they are, and smaller.
  together(names, values, level) {
    const found = [];
    for (const sign of [1, -1]) {
      const choices = names.map((name) => this.side(name, values, level, sign));
      let rows = [{}];
      for (const [k, name] of names.entries()) rows = rows.flatMap((row) => choices[k].map((n) => ({ ...row, [name]: n })));
      const distance = (row) => names.reduce((sum, name) => sum + Math.abs(row[name] - values[name]), 0);
      rows.sort((a, b) => distance(a) - distance(b));
      const row = rows.slice(0, TRIED).find((one) => distance(one) && this.level({ ...values, ...one }) >= level);
      if (row) found.push(row);
    }
    return found;
  }

  // The first values on one side that are right for a name alone, its own first where it is.
  side(name, values, level, sign) {
    const found = [];
    for (let away = 0; away <= FAR && found.length < TOGETHER; away += 1) {
      const n = values[name] + sign * away;
      if (n >= 1 && this.own(name, { ...values, [name]: n }) >= level) found.push(n);
    }
    return found;
  }

  // By symbol and param: one message, and the values to go to, each as {name: value} for all that change.
  // `kind`: alone (this one decides), together (with others), others (this one decides nothing that is wrong).
  answers(values) {
    const now = this.level(values), broken = now === FULL ? [] : this.broken(values, now), found = {};
    const blamed = broken.map((ask) => ask.on), state = { now, isPromise: broken.some((ask) => ask.isPromise) };
    const levels = now === REFUSED ? [FULL, RUNS] : [FULL];
    const wrong = this.names.filter((name) => blamed.some((on) => on & this.bit(name)));
    const symbols = wrong.filter((name) => this.program.symbols.includes(name)), tried = symbols.length ? symbols : wrong;
    for (const name of this.names) {
      if (!blamed.every((on) => on & this.bit(name))) continue;
      const answer = this.alone(name, values, levels);
      if (answer.offers.length || now === FULL) found[name] = { ...state, ...answer, kind: "alone", with: [] };
    }

    // Where one name alone mends it, no other has to change; of several only those that do in what was found.
    const able = Object.keys(found);
    const shared = able.length || now === FULL ? NOTHING : this.shared(tried, values, levels);
    const changed = tried.filter((name) => shared.offers.some((offer) => name in offer));
    const needed = able.length ? able : changed.length ? changed : tried;
    for (const name of this.names) {
      if (found[name]) continue;
      const others = needed.filter((one) => one !== name);
      const isTried = !able.length && wrong.includes(name) && (!changed.length || changed.includes(name) || !tried.includes(name));
      if (isTried) found[name] = { ...state, ...shared, kind: "together", with: others };
      else found[name] = { ...state, ...NOTHING, kind: "others", with: others };
    }
    return found;
  }

  // What several names together make better: the first level that is reached, and what changes for it.
  shared(names, values, levels) {
    for (const level of levels) {
      const offers = this.together(names, values, level);
      if (offers.length) return { level, offers: offers.map((offer) => changes(offer, values)) };
    }
    return NOTHING;
  }

  alone(name, values, levels) {
    for (const level of levels) {
      const { below, above } = this.nearest(name, values, level);
      const offers = [below, above].filter((n) => n !== null).map((n) => ({ [name]: n }));
      if (offers.length) return { level, offers };
    }
    return NOTHING;
  }
}

// What a card says, once: how it is, and which values lose nothing or run, before the buttons that go there.
// `known`: what `setText` says, as soon as it is known.
function sentence({ kind, now, isPromise, level, with: others }, offers, known) {
  const names = others.join(" and "), state = now === REFUSED ? "does not run" : now === FULL ? "" : isPromise ? "runs, not as expected" : "runs with a loss";
  const what = level === FULL ? "loses nothing" : "runs";
  if (kind === "others") return `what is ${now === REFUSED ? "wrong" : "lost"} follows from ${names || "no size"}`;
  const then = kind === "alone" ? known || (offers.length ? `nearest that ${what}` : "")
    : offers.length ? `with ${names || "it"} too ${what}`.replace("with it too ", "") : `nothing near is better${names ? `, with other ${names} either` : ""}`;
  const text = [state, then].filter(Boolean).join("; ");
  return text && offers.length ? `${text}:` : text;
}

// The buttons of a card; none where the next values are as good.
function worthwhile({ now, offers }, values) {
  const isNext = (offer) => Object.entries(offer).every(([name, n]) => Math.abs(n - values[name]) === 1);
  return now === FULL && offers.every(isNext) ? [] : offers;
}

// The values that are looked at, one after the other: all up to a number, or of many the first and those near the present one.
function scanned(most, now) {
  const first = Math.min(most, most > 4 * FAR ? FAR : most), found = Array.from({ length: first }, (_, n) => n + 1);
  for (let n = Math.max(first + 1, now - FAR); first < most && n <= Math.min(most, now + FAR); n += 1) found.push(n);
  return found;
}

// Which of the values that were looked at lose nothing, or run: the proven set's text where it says what was found here.
function setText(levels, sets, isDeclared) {
  const all = [...levels.keys()], least = [...levels.values()].includes(FULL) ? FULL : RUNS;
  const good = all.filter((n) => levels.get(n) >= least), last = all.at(-1);
  if (!good.length) return "";
  const head = least === FULL ? "loses nothing" : "runs";
  const set = least === FULL ? sets?.wanted ?? sets?.lossless : sets?.runs;
  const member = (n) => (n < set.start ? set.finite.includes(n) : set.residues.includes(n % set.modulus));
  if (set && all.every((n) => (levels.get(n) >= least) === member(n))) return `${head}: ${set.text}${isDeclared ? "" : ` (up to ${last})`}`;
  const range = all.length === last ? `1 to ${last}` : "those looked at";
  if (good.length === all.length) return `${head}: ${range}`;
  const few = good.slice(0, 6).join(", ");
  return `${head}: ${few}${good.length > 6 ? `, … (${good.length} of ${range})` : ` of ${range}`}`;
}
