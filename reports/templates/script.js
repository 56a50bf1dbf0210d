"use strict";
// Sorts and filters tables by click. Without it everything is shown in the order of the report.
(() => {
  const key = (row, place) => {
    const text = row.cells[place].dataset.sort ?? row.cells[place].textContent.trim();
    return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1;
    if (typeof b === "number") return 1;
    return a < b ? -1 : a > b ? 1 : 0;
  };
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th"), body = head.closest("table").tBodies[0];
      const falls = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      const sign = falls ? -1 : 1, place = head.cellIndex;
      const rows = [...body.rows];
      const keys = new Map(rows.map((row) => [row, key(row, place)]));
      rows.sort((a, b) => {
        const x = keys.get(a), y = keys.get(b);
        if (x === "" || y === "") return (x === "") - (y === ""); // what is missing comes last
        return sign * compare(x, y);
      });
      body.append(...rows);
    });
  }
  for (const form of document.querySelectorAll("form.filters")) {
    const table = document.getElementById(form.dataset.table);
    const count = form.querySelector("output");
    const apply = () => {
      const wanted = [...form.querySelectorAll("select")].filter((each) => each.value !== "");
      let shown = 0;
      for (const each of form.querySelectorAll("select")) {
        // A column that says the same in every row is not shown.
        table.classList.toggle(`no-${each.name}`, each.value !== "");
      }
      for (const row of table.tBodies[0].rows) {
        row.hidden = wanted.some((each) => row.dataset[each.name] !== each.value);
        shown += row.hidden ? 0 : 1;
      }
      if (count) count.textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
    };
    form.addEventListener("change", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    apply();
  }
})();
