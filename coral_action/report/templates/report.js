"use strict";
// Sorting: a heading becomes a button; cells sort by data-v where there is one.
for (const table of document.querySelectorAll("table.sort")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    if (!heading.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column];
        return cell.dataset.v ?? cell.textContent.trim();
      };
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        const order = x !== "" && y !== "" && !isNaN(x) && !isNaN(y) ? x - y : x.localeCompare(y);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
// The graph scrolls by itself; buttons, Ctrl+wheel and dragging are added here.
for (const box of document.querySelectorAll(".box.pan")) {
  const graph = box.querySelector("svg");
  const [width, height] = [graph.width.baseVal.value, graph.height.baseVal.value];
  let scale = 1;
  const zoom = (to) => {
    const next = Math.min(4, Math.max(0.05, to));
    const [x, y] = [box.scrollLeft + box.clientWidth / 2, box.scrollTop + box.clientHeight / 2];
    graph.setAttribute("width", width * next);
    graph.setAttribute("height", height * next);
    box.scrollTo((x * next) / scale - box.clientWidth / 2, (y * next) / scale - box.clientHeight / 2);
    scale = next;
  };
  const tools = document.createElement("div");
  tools.className = "tools";
  const actions = [
    ["+", "Zoom in", () => zoom(scale * 1.25)],
    ["−", "Zoom out", () => zoom(scale / 1.25)],
    ["1:1", "1:1, original size", () => zoom(1)],
    ["Fit", "Fit the whole graph", () => zoom(Math.min(box.clientWidth / width, 480 / height))],
  ];
  for (const [words, label, action] of actions) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", action);
    tools.append(button);
  }
  box.before(tools);
  box.classList.add("drag");
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(scale * (event.deltaY < 0 ? 1.1 : 1 / 1.1));
  }, { passive: false });
  box.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && event.buttons === 1) {
      box.scrollBy(-event.movementX, -event.movementY);
      event.preventDefault();
    }
  });
}
