// A word for whoever waits.

import { sleep } from "./dom.js";
import { t } from "./words.js";

const SOON = 500; // milliseconds after which a word says that something is on its way

/**
 * Says so with `say`, as long as `waits()`. Gives a function to be told how many calls come before this one; that is
 * said at once.
 */
export function patience(say, waits) {
  let ahead = 0;
  const tell = () => say(ahead ? t("waiting_behind", { count: ahead }) : t("waiting"));
  sleep(SOON).then(() => waits() && tell());
  return (rank) => {
    ahead = rank;
    if (ahead && waits()) tell();
  };
}
