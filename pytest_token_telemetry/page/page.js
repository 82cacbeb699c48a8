// Draws the pictures, and lets tables be sorted, filtered and copied. Texts go into the page as text only.
(() => {
  "use strict";
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const tip = document.getElementById("tip");

  const refuse = () => Promise.reject(new Error("this page fetches nothing"));
  const loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

  function point(_handler, event, _item, value) {
    tip.replaceChildren();
    tip.hidden = value === null || typeof value !== "object";
    if (tip.hidden) return;
    const list = document.createElement("dl");
    for (const [title, text] of Object.entries(value)) {
      const name = document.createElement("dt");
      const said = document.createElement("dd");
      name.textContent = title;
      said.textContent = String(text);
      list.append(name, said);
    }
    tip.append(list);
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 4))}px`;
    tip.style.top = `${event.clientY + height + 24 > innerHeight ? Math.max(4, event.clientY - height - 10) : event.clientY + 14}px`;
  }

  async function draw(place) {
    const label = place.getAttribute("aria-label");
    const options = { ast: true, actions: false, renderer: "svg", defaultStyle: false, loader, tooltip: point };
    try {
      const made = await vegaEmbed(place, specs[place.dataset.picture], options);
      place.view = made.view;
      // Vega speaks of its marks one by one: the figure says what they mean together, and the tables have each.
      place.setAttribute("role", "img");
      place.setAttribute("aria-label", label);
      place.querySelector("svg").setAttribute("aria-hidden", "true");
      place.querySelector("form")?.remove();
      place.dataset.drawn = "yes";
    } catch (error) {
      place.dataset.drawn = "no";
      place.textContent = "This picture could not be drawn.";
      console.error(String(error));
    }
  }

  const figure = (text) => {
    const found = /-?\d[\d,]*(\.\d+)?/.exec(text);
    return found === null ? null : Number(found[0].replaceAll(",", ""));
  };

  function sort(table, column, head) {
    const descending = head.getAttribute("aria-sort") === "ascending";
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const body = table.tBodies[0];
    const numbers = body.rows.length > 0 && body.rows[0].cells[column].classList.contains("figure");
    const key = (row) => row.cells[column].textContent;
    const order = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (!numbers) return x.localeCompare(y, undefined, { numeric: true });
      const [m, n] = [figure(x), figure(y)];
      return m === null || n === null ? (m === null) - (n === null) : m - n;
    };
    const rows = [...body.rows].sort(order);
    body.append(...(descending ? rows.reverse() : rows));
  }

  // A cell that a spreadsheet would take for a formula begins with an apostrophe.
  const quoted = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

  function csv(table) {
    const rows = [table.tHead.rows[0], ...[...table.tBodies[0].rows].filter((row) => !row.hidden)];
    return rows.map((row) => [...row.cells].map((cell) => quoted(cell.textContent.trim())).join(",")).join("\r\n");
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea"); // where a page has no clipboard, such as one in a file
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  for (const part of document.querySelectorAll("[data-table]")) {
    const table = part.querySelector("table");
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => sort(table, column, head));
    });
    const filter = part.querySelector("input");
    const said = part.querySelector("[role=status]");
    filter.addEventListener("input", () => {
      const wanted = filter.value.toLowerCase();
      let left = 0;
      for (const row of table.tBodies[0].rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        left += row.hidden ? 0 : 1;
      }
      said.textContent = wanted ? `${left} of ${table.tBodies[0].rows.length} rows` : "";
    });
    part.querySelector("[data-copy]").addEventListener("click", async () => {
      await copy(csv(table));
      said.textContent = "copied";
    });
  }

  addEventListener("beforeprint", () => {
    for (const each of document.querySelectorAll("details")) each.open = true;
  });
  for (const place of document.querySelectorAll("[data-picture]")) draw(place);
})();
