"use strict";
// navigator.clipboard is there only on https, localhost and files; a home server is often plain http.
const copyBySelection = (text) => {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  return isCopied;
};

const copyText = async (text) => {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copyBySelection(text);
    }
  }
  return copyBySelection(text);
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const label = button.dataset.label || button.textContent;
  button.dataset.label = label;
  const isCopied = await copyText(button.dataset.copy);
  button.focus();
  button.textContent = isCopied ? "Copied" : "Select it by hand";
  button.classList.toggle("done", isCopied);
  document.getElementById("said").textContent = button.textContent;
  window.setTimeout(() => {
    button.textContent = label;
    button.classList.remove("done");
  }, 1500);
});
