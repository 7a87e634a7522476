// What makes the console a little quicker. Nothing here is needed.

document.documentElement.classList.add("scripted");

// htmx replaces parts of a page with parts of the page that the same request
// would have led to. Where that is another page after all (the session ended,
// the store is away), the browser goes there as it would have without htmx.
document.addEventListener("htmx:before:response", (event) => {
  const { response, request } = event.detail.ctx;
  if (response.status !== 200 || response.raw.redirected) {
    event.preventDefault();
    location.assign(response.raw.redirected ? response.raw.url : request.action);
  }
});

// A button that fills a field with what was meant.
const show = () => {
  for (const button of document.querySelectorAll("button[data-fill]")) button.hidden = false;
};
document.addEventListener("htmx:after:swap", show);
show();
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-fill]");
  if (!button) return;
  const input = document.getElementById(button.dataset.fill);
  input.value = button.dataset.value;
  input.focus();
  input.dispatchEvent(new Event("input", { bubbles: true }));
});

// Menus close with Escape, which gives the focus back, and by a click elsewhere.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = event.target.closest?.("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// What counts down to a moment on the server counts by the clock of the page, and
// loads the page anew when it is over, to show what has come of it.
for (const clock of document.querySelectorAll("[data-until]")) {
  const end = performance.now() + clock.dataset.until * 1000;
  const two = (n) => String(n).padStart(2, "0");
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    const hours = Math.floor(left / 3600);
    const minutes = Math.floor((left % 3600) / 60);
    clock.textContent = hours ? `${hours}:${two(minutes)}:${two(left % 60)}` : `${minutes}:${two(left % 60)}`;
    if (left > 0) setTimeout(tick, 1000 - (performance.now() % 1000));
    else setTimeout(() => location.replace(location.href), 1500);
  };
  tick();
}

// A button says what it would do with what is chosen.
for (const button of document.querySelectorAll("button[data-say]")) {
  const say = () => {
    const chosen = button.form.querySelector(`[name="${button.dataset.say}"]:checked`);
    if (chosen) button.textContent = chosen.dataset.says;
  };
  button.form.addEventListener("change", say);
  say();
}

// Two minutes before the session ends, the page says so (WCAG 2.2.1). A page that
// is open does not use the session: what counts are requests, of this tab or of
// another one of the same browser. When it has ended the page stays, with what was
// typed: it can be sent once somebody has signed in again, in another tab.
const ending = document.getElementById("session");
if (ending) {
  const shared = "sallyport-used";
  const { idle, left, stay } = ending.dataset;
  const warnBefore = Math.min(120, idle / 4);
  let used = Date.now();
  const last = used + left * 1000;
  let dismissed = 0; // the end that was read and left
  const use = () => {
    used = Date.now();
    localStorage.setItem(shared, used);
  };
  const end = () => Math.min(Math.max(used, Number(localStorage.getItem(shared))) + idle * 1000, last);
  const show = (secondsLeft) => {
    const state = secondsLeft <= 0 ? "over" : end() === last ? "last" : "idle";
    for (const part of ending.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(state);
    const whole = Math.max(0, secondsLeft);
    ending.querySelector("[role=timer]").textContent = `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
    if (!ending.open && dismissed !== end() && !document.querySelector("dialog[open]")) ending.showModal();
  };
  const tick = () => {
    const secondsLeft = Math.ceil((end() - Date.now()) / 1000);
    if (secondsLeft <= warnBefore) show(secondsLeft);
    else if (ending.open) ending.close("used");
    setTimeout(tick, 1000);
  };
  use();
  tick();
  document.addEventListener("htmx:after:swap", use);
  ending.addEventListener("close", async () => {
    const choice = ending.returnValue;
    ending.returnValue = "";
    if (choice === "used") return;
    dismissed = end();
    if (choice !== "stay") return;
    const answer = await fetch(stay, { headers: { Accept: "application/json" } }).catch(() => null);
    if (answer?.ok) use();
  });
}
