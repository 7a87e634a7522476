// The live tail: attempts as they happen. The page begins with the newest ones,
// and what comes is put above them as text, never as markup.

const most = 500; // rows in the page
const flood = 20; // rows a second, beyond which networks are counted instead
const span = 10; // seconds that one line counts for

const region = document.querySelector("[data-stream]");
const words = JSON.parse(region.dataset.words);
const list = region.querySelector("ol");
const part = (name) => region.querySelector(name);
const [pause, stateWord, said, gap, arrived] = [".pause", ".state-word", ".said", ".gap", ".arrived"].map(part);

// say fills a sentence in. Of one with two forms, N chooses.
function say(word, values = {}) {
  const text = Array.isArray(words[word]) ? words[word][values.N === 1 ? 0 : 1] : words[word];
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name].toLocaleString("en"));
}

// plain shows what would hide text or turn it around, as the server does.
const plain = (text) => (text ?? "").replace(/\\/g, "\\\\")
  .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);

// State: of the connection, of the reader, and what has come of it.
let connection = "connecting";
let paused = false;
let seconds = 0; // until the next try
let skipped = 0; // events that were passed over
let unsaid = 0; // rows since something was said
let queue = []; // events of this moment
const waiting = new Map(); // events that are held back, by reference
const rows = new Map(); // by reference
const counts = new Map(); // attempts of each record that is not a row, by reference
const lines = new Map(); // of floods, by network
let recent = []; // times of rows of the last second

function show() {
  const state = connection === "live" && paused ? "paused" : connection;
  region.dataset.state = state;
  stateWord.textContent = say(state, { N: waiting.size, S: seconds });
  pause.disabled = connection === "ended" || connection === "outside";
  pause.textContent = say(paused ? "resume" : "pause");
  pause.setAttribute("aria-pressed", paused);
  arrived.hidden = waiting.size === 0;
  arrived.firstElementChild.textContent = `↑ ${say("new", { N: waiting.size })}`;
  gap.hidden = skipped === 0;
  gap.querySelector("span").textContent = say("gap", { N: skipped });
}

const held = () => paused || list.scrollTop > 0 || list.matches(":hover, :focus-within, :focus");

let due = 0;
function take(event) {
  queue.push(event);
  due ||= setTimeout(tick, 200);
}

function tick() {
  due = 0;
  for (const a of queue) { // the newest state of each, in the order of that
    waiting.delete(a.reference);
    waiting.set(a.reference, a);
  }
  queue = [];
  for (const [reference] of waiting) {
    if (waiting.size <= most) break;
    waiting.delete(reference);
    skipped += 1;
  }
  if (!held()) release();
  show();
}

// release shows what was held back.
function release() {
  const fresh = [...waiting.values()].filter((a) => !grow(a));
  waiting.clear();
  const now = performance.now();
  recent = recent.filter((at) => now - at < 1000);
  if (recent.length + fresh.length > flood) fold(fresh, now);
  else list.prepend(...fresh.map(rowOf).reverse());
  recent.push(...fresh.map(() => now));
  unsaid += fresh.length;
  while (list.children.length > most) {
    rows.delete(list.lastElementChild.dataset.reference);
    list.lastElementChild.remove();
  }
  if (list.children.length > 0) part(".none")?.remove();
}

// grow counts an attempt on that has a row, and reports whether it has one.
function grow(a) {
  const row = rows.get(a.reference);
  if (row) fill(row, a);
  return row !== undefined;
}

function copyOf(outcome) {
  return document.importNode(region.querySelector(`template[data-outcome="${outcome}"]`).content.firstElementChild, true);
}

function rowOf(a) {
  const row = copyOf(a.outcome);
  row.dataset.reference = a.reference;
  rows.set(a.reference, row);
  const link = row.querySelector("a");
  link.textContent = a.reference;
  link.pathname += `/${encodeURIComponent(a.reference)}`;
  fill(row, a);
  return row;
}

function fill(row, a) {
  const set = (name, text) => { row.querySelector(name).textContent = text; };
  const time = row.querySelector("time");
  [time.dateTime, time.textContent] = [a.last_time, a.last_time.slice(11, 19)];
  set(".address", a.address ?? words.unknown);
  set(".count", a.count > 1 ? `×${a.count.toLocaleString("en")}` : "");
  set(".place", plain([a.country, a.network && `AS${a.network.asn}`, a.network?.name].filter(Boolean).join(" ")));
  set(".person", a.login_hash ? words.stranger : plain(a.admin));
  set(".reason", words.reasons[a.reason]);
}

// networkOf is the network that an address is counted in: /24, or /64 of IPv6.
function networkOf(address) {
  if (!address || address.includes("/")) return address ?? words.unknown;
  if (!address.includes(":")) return `${address.split(".").slice(0, 3).join(".")}.0/24`;
  const [head, tail] = address.split("::").map((side) => side.split(":").filter(Boolean));
  const zeros = Array(8 - head.length - (tail?.length ?? 0)).fill("0");
  return `${[...head, ...zeros, ...(tail ?? [])].slice(0, 4).join(":")}::/64`;
}

// fold counts events by their networks: the five with the most have a line of
// their own, and the others have one together.
function fold(events, now) {
  for (const [key, line] of lines) if (now - line.since > span * 1000) lines.delete(key);
  if (lines.size === 0) counts.clear();
  const networks = Map.groupBy(events, (a) => networkOf(a.address));
  const largest = [...networks].sort((a, b) => b[1].length - a[1].length);
  for (const [i, [network, attempts]] of largest.entries()) {
    const own = lines.has(network) || (i < 5 && attempts.length > 1);
    const line = lineOf(own ? network : "", now);
    line.networks.add(network);
    for (const a of attempts) {
      line.count += a.count - (counts.get(a.reference) ?? 0);
      counts.set(a.reference, a.count);
    }
    write(line, network, own, now);
  }
}

function lineOf(key, now) {
  if (!lines.has(key)) {
    const element = copyOf("flood");
    list.prepend(element);
    lines.set(key, { element, count: 0, since: now, networks: new Set() });
  }
  return lines.get(key);
}

function write(line, network, own, now) {
  const S = Math.min(span, Math.max(1, Math.ceil((now - line.since) / 1000)));
  const link = line.element.querySelector("a");
  link.textContent = own ? say("flood", { N: line.count, Net: network, S }) : say("many", { N: line.count, M: line.networks.size, S });
  if (own && network !== words.unknown) {
    const to = new URL(link.href);
    to.searchParams.set("address", network);
    link.href = to.href;
  }
}

// Connection. It is made again by us and not by the browser, which says neither
// when nor why.
let last = "";
let wait = 3;
function connect() {
  connection = "connecting";
  show();
  const url = new URL(region.dataset.stream, location.href);
  if (last) url.searchParams.set("last_event_id", last);
  const source = new EventSource(url);
  const on = (name, act) => source.addEventListener(name, (event) => {
    last = event.lastEventId || last;
    act(JSON.parse(event.data));
  });
  source.onopen = () => {
    [connection, wait] = ["live", 3];
    show();
  };
  on("attempt", take);
  on("gap", (g) => {
    skipped += g.skipped;
    due ||= setTimeout(tick, 200);
  });
  on("denied", (d) => {
    source.close();
    stop(d.reason);
  });
  source.onerror = () => {
    source.close();
    if (connection === "live" || connection === "connecting") retry();
  };
}

function stop(reason) {
  connection = reason === "outside_networks" || reason === "address_unknown" ? "outside" : "ended";
  tick();
}

function retry() {
  [connection, seconds] = ["lost", wait];
  wait = Math.min(30, wait * 2);
  show();
  const clock = setInterval(async () => {
    seconds -= 1;
    if (seconds > 0) return show();
    clearInterval(clock);
    const me = await fetch(region.dataset.alive, { headers: { Accept: "application/json" } }).catch(() => null);
    if (me?.status === 401 || me?.status === 403) return stop((await me.json()).reason);
    return connect();
  }, 1000);
}

pause.addEventListener("click", () => {
  paused = !paused;
  tick();
});
arrived.firstElementChild.addEventListener("click", () => {
  list.scrollTop = 0;
  release();
  show();
  pause.focus(); // the button is gone
});
for (const event of ["mouseleave", "focusout", "scroll"]) list.addEventListener(event, () => { due ||= setTimeout(tick, 200); });

// What is said to screen readers is little, and not often.
setInterval(() => {
  if (unsaid > 0) said.textContent = say("said", { N: unsaid });
  unsaid = 0;
}, span * 1000);

for (const row of list.children) rows.set(row.dataset.reference, row);
pause.hidden = false;
connect();
