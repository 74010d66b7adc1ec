// Tables that sort and filter, scenes that load when their reader gets there. No text becomes markup here but the
// cards' own, which the report's templates escaped.
"use strict";
const prosepose = (function () {
  const root = document.documentElement;
  root.classList.add("js");

  function value(row, column) {
    const cell = row.cells[column];
    return cell === undefined ? "" : cell.dataset.value !== undefined ? cell.dataset.value : cell.textContent.trim();
  }

  function compare(x, y) {
    if (x === "" || y === "") return null; // rows without a value stay last, whichever way one sorts
    const numbers = !isNaN(x) && !isNaN(y);
    return numbers ? x - y : x.localeCompare(y, undefined, { numeric: true });
  }

  function sortBy(table, column, down) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map((row, place) => ({ row, place, key: value(row, column) }));
    rows.sort((a, b) => {
      const order = compare(a.key, b.key);
      if (order === null) return (a.key === "") - (b.key === "") || a.place - b.place;
      return (down ? -order : order) || a.place - b.place;
    });
    body.append(...rows.map((one) => one.row));
    Array.from(table.tHead.rows[0].cells).forEach((head, place) => {
      if (place === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  function makeSortable(table) {
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sortBy(table, column, head.getAttribute("aria-sort") === "ascending"));
    });
  }

  function makeFilter(input) {
    const table = input.closest("details, .card").querySelector("table");
    input.addEventListener("input", () => {
      const text = input.value.toLowerCase();
      for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(text);
    });
  }

  function prepare(part) {
    part.querySelectorAll("table.sortable").forEach(makeSortable);
    part.querySelectorAll("input.filter").forEach(makeFilter);
  }

  function filterScenes() {
    const get = (id) => document.getElementById(id);
    const table = document.querySelector("#scene-table table");
    if (!table) return;
    const [search, status, figure, side, limit] = ["search", "status", "figure", "side", "limit"].map(get);
    const rows = Array.from(table.tBodies[0].rows);
    function filter() {
      const text = search.value.toLowerCase();
      const column = figure && figure.value ? Number(figure.value) : 0;
      const bound = column && limit.value !== "" ? Number(limit.value) : NaN;
      let shown = 0;
      for (const row of rows) {
        let show = row.dataset.key.toLowerCase().includes(text) && (!status.value || row.dataset.status === status.value);
        if (show && !isNaN(bound)) {
          const number = parseFloat(value(row, column));
          show = !isNaN(number) && (side.value === "above" ? number >= bound : number <= bound);
        }
        row.hidden = !show;
        const card = get(row.dataset.card);
        if (card) card.hidden = !show;
        shown += show;
      }
      get("shown").textContent = shown === rows.length ? `${rows.length} scenes` : `${shown} of ${rows.length} scenes`;
    }
    for (const control of [search, status, figure, side, limit]) {
      if (control) control.addEventListener("input", filter);
    }
    filter();
  }

  // Scenes in files of their own: script elements, since a page of file:// may not fetch.
  const views = new Map();
  const wanted = new Set();

  function load(card) {
    if (!card.dataset.file || wanted.has(card.id)) return;
    wanted.add(card.id);
    const script = document.createElement("script");
    script.src = card.dataset.file;
    script.onerror = () => {
      wanted.delete(card.id);
      card.querySelector(".body").textContent = `${card.dataset.file} is not beside this page.`;
    };
    document.head.append(script);
  }

  function add(place, content, view) {
    const body = document.querySelector(`#scene-${place} .body`);
    body.innerHTML = content;
    if (view) views.set(place, view);
    ready(body);
  }

  function view(place) {
    const inside = document.getElementById(`view-${place}`);
    if (!views.has(place) && inside) views.set(place, JSON.parse(inside.textContent));
    return views.get(place);
  }

  function ready(part) {
    prepare(part);
    const button = part.querySelector("button.turn");
    if (button) button.addEventListener("click", () => window.view3d.toggle(button.closest(".scene")));
  }

  function start() {
    const cards = Array.from(document.querySelectorAll("article.scene"));
    document.querySelectorAll("main > .card, .summary").forEach(prepare);
    filterScenes();
    cards.filter((card) => !card.dataset.file).forEach((card) => ready(card));
    const later = cards.filter((card) => card.dataset.file);
    if (later.length) {
      const near = new IntersectionObserver(
        (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => load(entry.target)),
        { rootMargin: "800px" },
      );
      later.forEach((card) => near.observe(card));
    }
    root.dataset.ready = "1";
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
  return { add, view, load };
})();
