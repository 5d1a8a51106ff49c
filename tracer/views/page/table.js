// The table: a row for every box of the picture, so that both fold alike; sorted, filtered, and copied as text.

const COLUMNS = [
  ["node", ""], ["operation", ""], ["output", ""], ["from", ""],
  ["params", "number"], ["MACs", "number"], ["memory", "number"], ["field", "number"],
];

class Table {
  // `chosen(index)`: a row was pointed at. `tools`: the element with the filter and the buttons.
  constructor(section, chosen, on) {
    Object.assign(this, { section, chosen, on, rows: [], sorted: null, down: false });
    this.body = section.querySelector("tbody");
    this.filter = section.querySelector("[type=search]");
    const row = section.querySelector("thead tr");
    this.heads = COLUMNS.map(([name, kind], n) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: name, title: `sort by ${name}` });
      const head = document.createElement("th");
      Object.assign(head, { scope: "col", className: kind });
      head.append(button);
      on(button, "click", () => this.sort(n));
      return head;
    });
    row.replaceChildren(...this.heads);
    this.filter.value = "";
    on(this.filter, "input", () => this.arrange());
  }

  // Other boxes: [{name, op, from, of}], `of` being the numbers of its nodes.
  turn(boxes) {
    this.rows = boxes.map((box, place) => {
      const row = document.createElement("tr");
      row.tabIndex = 0;
      const cells = COLUMNS.map(([, kind]) => {
        const cell = document.createElement("td");
        cell.className = kind;
        row.append(cell);
        return cell;
      });
      cells[0].textContent = box.name;
      cells[1].textContent = box.op;
      cells[3].textContent = box.from;
      for (const event of ["pointerenter", "focus"]) row.addEventListener(event, () => this.chosen(box.of.at(-1)));
      return { row, cells, box, place, keys: [], texts: [] };
    });
    this.arrange();
  }

  // `says(box)`: {state, output, params, macs, memory, field}, numbers and their texts as [number, text].
  update(says, chosen) {
    for (const one of this.rows) {
      const { state, output, params, macs, memory, field } = says(one.box);
      const texts = [one.box.name, one.box.op, output[1], one.box.from, params[1], macs[1], memory[1], field[1]];
      one.keys = [one.box.name, one.box.op, output[0], one.box.from, params[0], macs[0], memory[0], field[0]];
      one.texts = texts;
      [2, 4, 5, 6, 7].forEach((n) => { if (one.cells[n].textContent !== texts[n]) one.cells[n].textContent = texts[n]; });
      one.row.className = `${state}${one.box.of.includes(chosen) ? " chosen" : ""}`;
    }
    if (this.sorted !== null || this.filter.value) this.arrange();
  }

  choose(index) {
    for (const { row, box } of this.rows) row.classList.toggle("chosen", box.of.includes(index));
  }

  // Up, down, and in the file's order again.
  sort(column) {
    if (this.sorted !== column) Object.assign(this, { sorted: column, down: COLUMNS[column][1] === "number" });
    else if (this.down === (COLUMNS[column][1] === "number")) this.down = !this.down;
    else this.sorted = null;
    this.heads.forEach((head, n) => {
      if (n === this.sorted) head.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.arrange();
  }

  shown() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.rows.filter(({ texts, box, row }) => {
      const text = [box.name, box.op, ...texts, row.className].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    if (this.sorted === null) return found;
    const sign = this.down ? -1 : 1, n = this.sorted;
    const order = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
    return found.sort((a, b) => sign * order(a.keys[n], b.keys[n]) || a.place - b.place);
  }

  arrange() {
    const rows = this.shown().map(({ row }) => row), now = [...this.body.children];
    if (rows.length === now.length && rows.every((row, n) => row === now[n])) return;
    this.body.replaceChildren(...rows);
    this.section.querySelector(".none").hidden = rows.length > 0;
  }

  // What is seen, in its order; numbers in full.
  lines() {
    const head = COLUMNS.map(([name]) => name);
    const full = ({ texts, keys }) => texts.map((text, n) => (n > 3 && n < 7 ? String(keys[n]) : text));
    return [head, ...this.shown().map(full)];
  }

  markdown() {
    const cell = (text) => text.replace(/[\\|`*_<>[\]]/g, "\\$&").replace(/\s+/g, " ");
    const [head, ...rows] = this.lines().map((line) => `| ${line.map(cell).join(" | ")} |`);
    return `${[head, `|${COLUMNS.map(([, kind]) => (kind ? " ---: |" : " --- |")).join("")}`, ...rows].join("\n")}\n`;
  }

  // A cell that a spreadsheet would take for a formula begins with an apostrophe.
  csv() {
    const cell = (text) => {
      const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
      return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    return `${this.lines().map((line) => line.map(cell).join(",")).join("\n")}\n`;
  }
}
