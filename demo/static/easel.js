// The sheet of Write and of Acrostic: it asks for poems, shows them as they come, keeps them, and does with them what
// the buttons below it say. The poem on it is one object: what the endpoint gave, and `asked`, what it was asked.

import { linkTo, note } from "./address.js";
import { Aid } from "./aid.js";
import { call } from "./api.js";
import { $, h, touched } from "./dom.js";
import { Drafts } from "./drafts.js";
import { Hand } from "./hand.js";
import { patience } from "./patience.js";
import { after, fromAddress, inScript, isVerse, linesOf, toAddress } from "./poem.js";
import { canShare, sharing } from "./share.js";
import { Sheet } from "./sheet.js";
import { Shelf, store } from "./store.js";
import { colophonOf, excuse, prefersTraditional, t, translate } from "./words.js";

const ACTS = [["another"], ["again", "script"], ["copy", "picture", "link", "share"], ["pinyin", "look_inside"]];

/**
 * Of a view and endpoint of one name. `chosen` gives the options as the desk stands, `rule` the form of the sheet while
 * a poem is waited for, `given` the places of the characters that a poem was asked to have, as "line:place", `mark` a
 * class for some of a poem's characters; `leave` is called when another poem is to come.
 */
export function easel(view, { chosen, rule, given, mark = () => undefined, leave = () => {}, hint, inspect }) {
  const form = $(`[data-form=${view}]`), word = $(`[data-word=${view}]`), under = $(`[data-under=${view}]`);
  const place = $(`[data-sheet=${view}]`), sheet = new Sheet(place, { hint });
  const shelf = new Shelf(view);
  let poem = null, traditional = prefersTraditional(), calls = 0, calling = null, waitingFor = null;

  const colophon = h("p", { class: "colophon" });
  const buttons = Object.fromEntries(ACTS.flat().map((act) => [act, h("button", {
    type: "button", "data-act": act, "data-t": act, onclick: () => { word.textContent = ""; acts[act](); },
  })]));
  buttons.share.hidden = !canShare();
  const acting = h("div", { class: "acts" }, ACTS.map((group) => h("span", {}, group.map((act) => buttons[act]))));

  const script = () => (traditional ? "t" : "");
  const say = (said) => { word.textContent = said; };
  const shown = (each) => inScript(each, traditional);
  const hand = new Hand(sheet, { given, shown, put, say });
  under.append(colophon, hand.hint, hand.element, acting);
  const signed = (each) => ({ ...shown(each), poet: after(shown(each).poet, traditional && each.traditional) });
  const fresh = (each, ruled = each.form) => sheet.clear({ form: ruled, ...signed(each) });
  const address = (each) => note(view, {
    ...each.asked,
    seed: each.revised ? "" : each.seed, // no seed writes what was changed by hand
    script: script(),
    text: shown(each).text,
    ...toAddress(each.hand, given(each)),
  });

  const details = () => {
    drafts.refresh();
    aid.refresh();
    if (!poem) return;
    hand.refresh();
    buttons.script.textContent = t(traditional ? "simplified" : "script");
    buttons.script.hidden = !poem.traditional;
    colophon.replaceChildren(...colophonOf(poem, shown(poem).text));
  };

  const aid = new Aid();
  under.append(aid.element);
  const drafts = new Drafts(shelf, {
    show: (each) => signed(each),
    current: () => poem,
    take: (each) => {
      word.textContent = "";
      present(each, true);
    },
  });
  under.after(drafts.element);

  async function present(each, at_once = false) {
    leave();
    poem = each;
    under.hidden = false;
    if (at_once || traditional || !sheet.written.length) fresh(each);
    if (!await sheet.finish({ ...each, ...shown(each) }, { mark: mark(each), at_once })) return;
    under.classList.remove("coming");
    stands(each);
  }

  function stands(each) {
    hand.lay(each);
    details();
    address(each);
    $("[data-live]").textContent = linesOf(shown(each).text).join(" ");
    if (aid.open) acts.pinyin(true);
  }

  /** The poem on the sheet, changed by hand. */
  function put(each) {
    const before = poem;
    poem = each;
    if (each.text !== before.text) {
      shelf.add(each, before.revised ? before : null);
      sheet.replace(signed(each));
    }
    stands(each);
  }

  /** While a call is out: the desk says so, and after a while a word does, with the place in the queue. */
  function busy(own) {
    form.classList.add("busy");
    under.classList.toggle("coming", !poem);
    under.hidden = false; // its room at once, so that nothing moves when the poem is there
    place.setAttribute("aria-busy", "true");
    return patience(say, () => own === calls && form.classList.contains("busy") && !sheet.written.length);
  }

  /** What went wrong, and, if the sheet was cleared for it, what stood there before. */
  function failed(error, cleared) {
    word.textContent = excuse(error);
    if (!cleared) return;
    if (poem) present(poem, true);
    else {
      sheet.clear({ hint });
      under.hidden = true;
    }
  }

  /**
   * Asks the endpoint. Of two calls with the same wishes, by a double click, the second is none. `said` is a word that
   * stays below.
   */
  async function compose(seed = null, values = chosen(), said = "") {
    const args = { ...values, seed }, wish = JSON.stringify(args);
    if (wish === waitingFor) return;
    const own = ++calls;
    waitingFor = wish;
    calling?.abort(); // whoever asks anew gives up the place of the call before
    calling = new AbortController();
    word.textContent = said;
    leave();
    hand.lift();
    fresh(values, rule(values));
    if (touched()) document.activeElement?.blur(); // the keyboard goes, and the poem is seen
    sheet.reveal();
    const waiting = sheet.turn; // another, once an earlier poem has been called back onto the sheet
    const queued = busy(own);
    try {
      const written = await call(view, args, {
        onPiece: (piece) => {
          word.textContent = said;
          if (waiting === sheet.turn && !traditional) sheet.write(piece.text);
        },
        onQueue: queued,
        signal: calling.signal,
      });
      if (own !== calls) return;
      word.textContent = said;
      written.asked = values;
      shelf.add(written);
      if (waiting === sheet.turn) present(written);
      else details();
    } catch (error) {
      if (own === calls) failed(error, waiting === sheet.turn);
    } finally {
      if (own === calls) {
        waitingFor = null;
        form.classList.remove("busy");
        place.removeAttribute("aria-busy");
      }
    }
  }

  /**
   * The poem that a link carries, as it stands there. The same wishes are asked anew: if today's model answers
   * otherwise, the poem stays, and a word says so.
   */
  async function takeUp(text, seed, held) {
    const values = chosen(), own = ++calls, { cell, poet, title, rhyme_book } = values;
    const linked = {
      ...values, text, seed, asked: values, hand: held, revised: seed === null,
      form: rule(values) || values.form,
      lines: linesOf(text).map((line) => line.replace(/[，。]/, "")),
      prosody: { book: rhyme_book, pattern: null, rhyme_group: null, violations: [] },
    };
    present(linked, true);
    const written = seed === null ? null : await call(view, { ...values, seed }).catch(() => null);
    const gone = () => own !== calls || poem !== linked; // another poem stands by now, or this one changed by hand
    if (gone()) return;
    if (written && shown(written).text === text) {
      return present(Object.assign(written, { asked: values, hand: held }), true);
    }
    const known = await call("appraise", { text, cell, poet, title, rhyme_book }).catch(() => null);
    if (gone() || !known) return;
    (traditional ? known.traditional : known).text = text; // of several ways to write it the one in the link
    present({ ...linked, ...known, seed, strange: seed !== null }, true);
  }

  // -- the buttons ----------------------------------------------------------------------------------------------------

  const acts = {
    another: () => compose(null, poem.asked),
    again: () => { sheet.clear(); present(poem); },
    script: () => {
      traditional = !traditional;
      store("script", script());
      sheet.replace(signed(poem));
      details();
      address(poem);
      if (aid.open) acts.pinyin(true);
      dispatchEvent(new Event("script"));
    },
    ...sharing({
      word, link: () => linkTo(view), current: () => ({ ...shown(poem), cell: poem.cell, script: script() }),
    }),
    pinyin: (open = !aid.open) => {
      buttons.pinyin.setAttribute("aria-pressed", String(open));
      aid.show(open ? poem : null, shown(poem).text).catch((error) => (word.textContent = excuse(error)));
    },
    look_inside: () => inspect(poem),
  };
  translate(drafts.element);
  translate(aid.element);
  drafts.refresh();

  return {
    compose,
    details,
    script,
    /** What stands of a poem that is written line by line. */
    draft({ asked, text, ...others }) {
      const now = traditional ? others.traditional : text, goesOn = now.startsWith(sheet.wanted.join(""));
      calls++;
      calling?.abort();
      hand.lift();
      under.hidden = true;
      if (poem || !sheet.wanted.length || !goesOn) fresh(asked, rule(asked));
      poem = null;
      sheet.write(now);
      note(view, { ...asked, lines: "1", script: script(), text: now });
    },
    /** A poem that was made line by line. */
    take(each) {
      shelf.add(each);
      present(each, true);
    },
    /** What an address asks for, with a word on what could not be taken over into the desk. */
    async open({ script: wanted, text, ...others }, seed, said) {
      if (wanted !== undefined || text) traditional = wanted === "t";
      if (isVerse(text)) {
        word.textContent = said;
        takeUp(text, seed, fromAddress(others));
      } else compose(seed, chosen(), said);
    },
  };
}
