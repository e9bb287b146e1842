// Learning: it is begun and waited for; the page that tells what would change is made by the server.
"use strict";

(() => {
  const form = document.getElementById("learning"), step = document.getElementById("step");
  if (!form) return;
  const buttons = [...form.querySelectorAll("[data-learn]")];

  async function wait() {
    let told;
    try {
      const answer = await fetch("/learn?part=1", { credentials: "same-origin" });
      told = await answer.json();
    } catch {
      step.textContent = "The desk does not answer.";
      return;
    }
    if (told.state !== "working") { location.reload(); return; }
    step.textContent = told.count ? `${told.step}: ${digits.format(told.count)}` : `${told.step} …`;
    setTimeout(wait, 400);
  }

  async function act(what) {
    buttons.forEach((button) => { button.disabled = true; });
    step.textContent = what === "apply" ? "applying …" : "copying …";
    const { status, told } = await post("/learn", { do: what });
    if (status !== 200) {
      buttons.forEach((button) => { button.disabled = false; });
      step.textContent = "";
      say(told.fault || "That did not work.", true);
      return;
    }
    wait();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of buttons) button.addEventListener("click", () => act(button.dataset.learn));
  if (form.dataset.state === "working") wait();
})();
