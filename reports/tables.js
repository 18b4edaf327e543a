// What a table of the report can do beyond being read: sort, filter, download; and links into what
// is closed. Without this script every row is there all the same.
"use strict";

const raw = (cell) => cell.dataset.value ?? cell.textContent;

// A spreadsheet would run a text that begins so as a formula; a number is none.
const safe = (text) => (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
const quoted = (text) => `"${safe(text).replaceAll('"', '""')}"`;

const csv = (table) =>
  [...table.rows]
    .filter((row) => !row.hidden)
    .map((row) => [...row.cells].map((cell) => quoted(raw(cell))).join(","))
    .join("\r\n");

const compared = (one, other) => {
  const [a, b] = [Number(one), Number(other)];
  return Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other, undefined, { numeric: true }) : a - b;
};

const sort = (table, heading) => {
  const down = heading.ariaSort === "ascending";
  for (const each of table.tHead.rows[0].cells) each.ariaSort = null;
  heading.ariaSort = down ? "descending" : "ascending";
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    const [one, other] = [a, b].map((row) => raw(row.cells[heading.cellIndex]));
    const missing = (one === "") - (other === ""); // last, up or down
    return missing || (down ? -1 : 1) * compared(one, other);
  });
  table.tBodies[0].append(...rows);
};

const button = (text, act) => {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
};

// Columns with a choice of their own; a column of numbers is named by a step at most.
const isChosenBy = (heading) => /\b(month|step)$/.test(heading.textContent) && heading.className !== "number";

// Lets one value of a column be chosen: a step is told with its name, where there is one.
const choice = (table, heading) => {
  const select = document.createElement("select");
  const name = [...table.tHead.rows[0].cells].find((cell) => cell.textContent === "kpi");
  const options = new Map();
  for (const { cells } of table.tBodies[0].rows) {
    const value = cells[heading.cellIndex].textContent;
    const isNamed = name && heading.textContent.endsWith("step");
    options.set(value, isNamed ? `${value} ${cells[name.cellIndex].textContent}` : value);
  }
  select.append(new Option("all"), ...[...options].map(([value, text]) => new Option(text, value)));
  const passes = (row) =>
    select.selectedIndex === 0 || row.cells[heading.cellIndex].textContent === select.value;
  return [select, passes, heading.textContent];
};

const search = () => {
  const input = document.createElement("input");
  input.type = "search";
  const passes = (row) => row.textContent.toLowerCase().includes(input.value.toLowerCase());
  return [input, passes, "rows with"];
};

const filters = (table, about) => {
  const rows = [...table.tBodies[0].rows];
  const headings = [...table.tHead.rows[0].cells];
  const made = headings.filter(isChosenBy).map((heading) => choice(table, heading));
  if (rows.length > 5) made.push(search());
  const told = document.createElement("output");
  const filter = () => {
    for (const row of rows) row.hidden = !made.every(([, passes]) => passes(row));
    const shown = rows.filter((row) => !row.hidden).length;
    told.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
  };
  const labels = made.map(([control, , name]) => {
    const label = document.createElement("label");
    label.append(`${name} `, control);
    control.ariaLabel = `${name}: ${about}`;
    control.addEventListener("input", filter);
    return label;
  });
  return { labels, told };
};

for (const place of document.querySelectorAll(".table")) {
  const table = place.querySelector("table");
  const tools = document.createElement("p");
  tools.className = "tools";
  const { labels, told } = filters(table, place.getAttribute("aria-label"));
  for (const heading of table.tHead.rows[0].cells) {
    const sorter = button(heading.textContent, () => sort(table, heading));
    heading.replaceChildren(sorter);
  }
  const download = button("Download CSV", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", csv(table)], { type: "text/csv" }));
    link.download = `${place.dataset.name}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  tools.append(...labels, download, told);
  place.before(tools);
}

const arrive = () => {
  const target = document.getElementById(location.hash.slice(1));
  const closed = target?.closest("details:not([open])");
  if (closed) {
    closed.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", arrive);
arrive();
