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
