// What a table of the report can do beyond being read: sort, filter, download. Without this script
// every row is there all the same.
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
  return Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other) : a - b;
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

for (const place of document.querySelectorAll(".table")) {
  const table = place.querySelector("table");
  for (const heading of table.tHead.rows[0].cells) {
    const sorter = button(heading.textContent, () => sort(table, heading));
    heading.replaceChildren(sorter);
  }
  const tools = document.createElement("p");
  tools.className = "tools";
  const filter = document.createElement("input");
  filter.type = "search";
  filter.placeholder = "Filter rows";
  filter.ariaLabel = `Filter rows: ${place.getAttribute("aria-label")}`;
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  const download = button("Download CSV", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", csv(table)], { type: "text/csv" }));
    link.download = `${place.dataset.name}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  if (table.tBodies[0].rows.length > 5) tools.append(filter, " ");
  tools.append(download);
  place.before(tools);
}
