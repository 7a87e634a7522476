// What makes the pages a little quicker to use. Nothing here is needed: every
// page works without it. Controls that only work with it are hidden until then.

function copyButtons() {
  for (const button of document.querySelectorAll("button[data-copy]:not([aria-live])")) {
    const label = button.textContent;
    button.hidden = !navigator.clipboard;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.done;
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  }
}
copyButtons();
document.addEventListener("htmx:after:swap", copyButtons); // in the console, parts of a page come later

for (const button of document.querySelectorAll("button[data-reveal]")) {
  const input = document.getElementById(button.dataset.reveal);
  const show = button.textContent;
  const set = (visible) => {
    input.type = visible ? "text" : "password";
    button.textContent = visible ? button.dataset.hide : show;
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    set(input.type === "password");
    input.focus();
  });
  input.form.addEventListener("submit", () => set(false)); // browsers keep what text fields had
}

for (const hint of document.querySelectorAll("[data-caps]")) {
  const input = document.getElementById(hint.dataset.caps);
  const look = (event) => { hint.hidden = !event.getModifierState?.("CapsLock"); };
  input.addEventListener("keydown", look);
  input.addEventListener("keyup", look);
  input.addEventListener("blur", () => { hint.hidden = true; });
}

// A form is sent once. Coming back to the page makes it ready again.
for (const form of document.querySelectorAll("form[data-busy]")) {
  const button = form.querySelector("button.primary");
  const label = button.textContent;
  form.addEventListener("submit", (event) => {
    if (button.hasAttribute("aria-busy")) {
      event.preventDefault();
      return;
    }
    button.setAttribute("aria-busy", "true");
    button.textContent = form.dataset.busy;
  });
  addEventListener("pageshow", () => {
    button.removeAttribute("aria-busy");
    button.textContent = label;
  });
}

// The waiting time changes every half minute, so that it is read out no more
// often than that.
for (const text of document.querySelectorAll("[data-countdown]")) {
  const { countdown, minutes, both, seconds, over } = text.dataset;
  const pattern = text.dataset.text;
  const end = Date.now() + countdown * 1000;
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0) {
      text.textContent = over;
      return;
    }
    const unit = left < 60 ? seconds : left % 60 ? both : minutes;
    const time = unit.replace("{m}", Math.floor(left / 60)).replace("{s}", left % 60);
    text.textContent = pattern.replace("{}", time);
    setTimeout(tick, Math.min(left, left % 30 || 30) * 1000);
  };
  setTimeout(tick, (countdown % 30 || 30) * 1000);
}

// A page that waits for an answer asks for it, and loads itself anew when there
// is one.
for (const page of document.querySelectorAll("[data-watch]")) {
  const { watch, state } = page.dataset;
  const look = async () => {
    const answer = await fetch(watch, { headers: { Accept: "application/json" } }).catch(() => null);
    const now = answer?.ok ? (await answer.json()).state : state;
    if (now !== state) location.reload();
    else setTimeout(look, 5000);
  };
  setTimeout(look, 5000);
}
