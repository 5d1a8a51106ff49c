"use strict";
// Runs the program of sizes that Python wrote: the instructions of tracer/sizing/program.py, on numbers.
// Sizes below 2**53 are exact; floor division rounds down, as in Python.

// By the kind of an instruction; written from the table of tracer/sizing/primitives.py when the page is made.
const PRIMITIVES = {/* primitives */};

// By the same kind: what every part of an instruction is, "size", "number" or "condition".
const TAKES = {/* takes */};

// A ratio as people write it.
function ratio(n, d) {
  const exact = n / d;
  return Number.isInteger(exact) ? String(exact) : String(Math.round(exact * 1000) / 1000);
}

const INDEX_BYTES = 8;

class Program {
  constructor(live) {
    this.live = live;
    this.symbols = Object.keys(live.symbols);
    this.params = Object.keys(live.params);
  }

  // The value of every slot, for sizes and params by their names.
  run(values) {
    const live = this.live, v = [];
    for (const name of this.symbols) v.push(values[name]);
    for (const name of this.params) v.push(values[name]);
    for (const choice of live.choices) v.push(this.chosen(choice, values));
    if (!v.length) v.push(0);
    for (const step of live.steps) v.push(this.value(step, v));
    return v;
  }

  chosen(choice, values) {
    return choice.symbol === null ? choice.values[0] : choice.values[values[choice.symbol] % choice.values.length];
  }

  value(step, v) {
    switch (step[0]) {
      case 0: return step[2] ? v[step[1]] * step[2] + step[3] : step[3];
      case 1: return Math.floor((v[step[1]] * step[2] + step[3]) / step[4]);
      case 2: {
        let total = step[2];
        for (const [factor, slots] of step[1]) {
          let product = factor;
          for (const slot of slots) product *= v[slot];
          total += product;
        }
        return total;
      }
      default: return PRIMITIVES[step[0]](step, v, this);
    }
  }

  truth(holds, v) {
    if (typeof holds === "boolean") return holds;
    const [relation, a, b] = holds;
    switch (relation) {
      case "ge": return v[a] >= 0;
      case "eq": return v[a] === 0;
      case "ne": return v[a] !== 0;
      case "and": return this.truth(a, v) && this.truth(b, v);
      default: return this.truth(a, v) || this.truth(b, v);
    }
  }

  // Every node's shape and what is wrong with it. `state`: ok, wrong, blocked (something before it is wrong), unknown.
  // A slot with a value that no Python program would get to (a node before it fails) is never shown.
  trace(values, nodes, words = true) {
    const v = this.run(values), found = [];
    let wrong = 0;
    this.live.nodes.forEach((node, index) => {
      const before = [...nodes[index].inputs, ...Object.values(nodes[index].operands)].map((i) => found[i].state);
      let state = "ok", problems = [];
      if (before.includes("wrong") || before.includes("blocked")) state = "blocked";
      else if (node.unknown || before.includes("unknown")) state = "unknown";
      else {
        for (const ask of node.asks) {
          if (this.truth(ask.holds, v)) continue;
          if (ask.severity === "error" && ask.narrow) { state = "unknown"; break; }
          if (ask.severity === "error" && ask.code !== "T304") {
            state = "wrong";
            problems = [this.problem(index, ask, v, words)];
            break;
          }
          problems.push(this.problem(index, ask, v, words));
        }
        if (state === "ok" && node.shape === null) state = "blocked";
      }
      if (problems.some((problem) => problem.severity === "error")) wrong += 1;
      const shape = state === "ok" ? node.shape.map((slot) => v[slot]) : null;
      found.push({ state, shape, problems });
    });
    return { v, nodes: found, wrong, unknown: found.filter((one) => one.state === "unknown").length };
  }

  // What training keeps and where a run without it peaks, in bytes; null where nobody knows.
  memory(v, element) {
    const { memories } = this.live;
    if (memories === null) return null;
    const bytes = (slots) => slots.reduce((total, n) => total + (n < 0 ? v[-n - 1] * INDEX_BYTES : v[n] * element), 0);
    let alive = 0, peak = -1, at = 0;
    for (const [node, made, freed] of memories.steps) {
      alive += bytes(made);
      if (alive > peak) { peak = alive; at = node; }
      alive -= bytes(freed);
    }
    return { training: bytes(memories.kept), peak, at };
  }

  problem(node, ask, v, words) {
    return { node, code: ask.code, severity: ask.severity, line: ask.line, message: words ? this.text(ask.message, v) : "", hint: ask.hint };
  }

  // A text with the values of its slots in their places.
  text(template, v) {
    return template.replace(/⟦(\d+)(?:\/(\d+))?⟧/g, (_, n, d) => ratio(v[n], d ? v[d] : 1).replace("-", "−"));
  }
}
