// A form whose answer comes as a whole: Compare, Check, Inside. (Write and Acrostic have an easel.)

import { $ } from "./dom.js";
import { patience } from "./patience.js";
import { excuse } from "./words.js";

/**
 * Gives a function that asks, and asks whenever the form of the view is sent. `work` is called with options for `call`
 * and what is wished for, and gives what shows its answer; only the latest answer is shown. `failed` puts back what
 * stood there before. A wish may have `said`, a word that stays below.
 */
export function desk(view, work, failed = () => {}) {
  const form = $(`[data-form=${view}]`), word = $(`[data-word=${view}]`);
  let turn = 0, calling = null;

  async function ask(wish = {}) {
    const own = ++turn, { said = "" } = wish;
    calling?.abort(); // whoever asks anew gives up the place of the call before
    calling = new AbortController();
    form.classList.add("busy");
    form.setAttribute("aria-busy", "true");
    word.textContent = said;
    const waits = () => own === turn && form.classList.contains("busy");
    const onQueue = patience((now) => { word.textContent = now; }, waits);
    try {
      const show = await work({ signal: calling.signal, onQueue }, wish);
      if (own !== turn) return;
      word.textContent = said;
      show();
    } catch (error) {
      if (own !== turn) return;
      word.textContent = excuse(error);
      failed();
    } finally {
      if (own === turn) {
        form.classList.remove("busy");
        form.removeAttribute("aria-busy");
      }
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!form.classList.contains("busy")) ask();
  });
  return ask;
}
