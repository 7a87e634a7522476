// The keys of the console. A page says what they act on by attributes:
//
//   data-key="e"      the element that this key acts on: a link or button is
//                     followed or pressed, a field gets the focus. Keys are n, e, a,
//                     x, l, / and Space. One in the current row is meant before one
//                     that is in no row; e, a and x act in the current row only.
//   data-row          a row that j and k go to; rows of tables in main are rows
//                     without it. Enter follows its element with data-key="Enter",
//                     or else its first link.
//   data-key-scope    a region: Space acts on its data-key="Space" while the focus
//                     is inside of it, as on the list of a live tail.
//   data-go="n"       of links: g and then this letter follow it.
//
// Nothing happens with Ctrl, Alt or Meta, while a field has the focus, or while a
// dialog is open. Who does not want single keys (WCAG 2.1.4) switches them off in
// the menu with their name; the browser remembers that.

const store = "sallyport-keys";
const isOff = () => localStorage.getItem(store) === "off";
const help = document.getElementById("keys");

const fields = 'input:not([type=checkbox], [type=radio], [type=button], [type=submit]), select, textarea, [contenteditable]';
const rowsOf = "main [data-row], main tbody tr";

const currentRow = () => document.activeElement.closest?.(rowsOf) ?? null;

const shown = (element) => element.checkVisibility();

function act(element) {
  if (!element) return false;
  if (element.matches(fields)) element.focus();
  else element.click();
  return true;
}

function inRow(key) {
  const row = currentRow();
  return row && [...row.querySelectorAll(`[data-key="${key}"]`)].find(shown);
}

function onPage(key) {
  const found = [...document.querySelectorAll(`main [data-key="${key}"], [data-key="${key}"]`)];
  return found.find((element) => !element.closest(rowsOf) && shown(element));
}

function move(step) {
  const rows = [...document.querySelectorAll(rowsOf)].filter(shown);
  if (!rows.length) return false;
  const at = rows.indexOf(currentRow());
  const row = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)];
  row.tabIndex = -1;
  row.focus();
  row.scrollIntoView({ block: "nearest" });
  return true;
}

function open() {
  const row = document.activeElement;
  if (!row.matches(rowsOf)) return false; // a link or button does it by itself
  return act(row.querySelector('[data-key="Enter"]') ?? row.querySelector("a[href]"));
}

function pause() {
  const focused = document.activeElement;
  if (focused.matches("a, button, summary, input")) return false;
  return act(focused.closest("[data-key-scope]")?.querySelector('[data-key="Space"]'));
}

const filter = () => act(onPage("/") ?? document.querySelector("main [role=search] input:not([type=hidden])"));
const showHelp = () => {
  help.showModal();
  return true;
};

const keys = {
  "?": showHelp,
  "/": filter,
  j: () => move(1),
  k: () => move(-1),
  Enter: open,
  " ": pause,
  n: () => act(inRow("n") ?? onPage("n")),
  l: () => act(inRow("l") ?? onPage("l")),
  e: () => act(inRow("e")),
  a: () => act(inRow("a")),
  x: () => act(inRow("x")),
};

let going = 0; // until when a letter after g counts

function go(key) {
  const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
  return act(link);
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (isOff() || target.matches?.(fields) || document.querySelector("dialog[open]")) return;
  const after = going > performance.now();
  going = 0;
  if (!after && event.key === "g") {
    going = performance.now() + 1500;
    return;
  }
  const done = after ? go(event.key) : Object.hasOwn(keys, event.key) && keys[event.key]();
  if (done) event.preventDefault();
});

for (const link of document.querySelectorAll("[data-keys-help]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    link.closest("details").open = false;
    showHelp();
  });
}

for (const control of document.querySelectorAll("[data-keys-switch]")) {
  const show = () => control.setAttribute("aria-checked", String(!isOff()));
  control.hidden = false;
  control.addEventListener("click", () => {
    if (isOff()) localStorage.removeItem(store);
    else localStorage.setItem(store, "off");
    show();
  });
  show();
}
