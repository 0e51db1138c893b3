// The characters of a sheet under finger, mouse and keys: one of them can be reached by Tab, the others by arrows.

/** Makes them touchable: `touch` is called with the one that is clicked, or has the focus when Enter is pressed. */
export function touchable(sheet, touch) {
  const { element } = sheet, charOf = ({ target }) => target.closest?.(".char[role=button]");
  element.addEventListener("click", (event) => {
    const char = charOf(event), selected = String(document.getSelection()).length > 0; // to be copied
    if (char && !selected) touch(char);
  });
  element.addEventListener("focusin", () => element.classList.add("handled"));
  element.addEventListener("keydown", (event) => {
    const char = charOf(event);
    if (!char) return;
    if (["Enter", " "].includes(event.key)) touch(char);
    else if (!move(sheet, char, event.key)) return;
    event.preventDefault();
  });
}

/** Moves the focus to the character beside, as it is seen: in columns a poem runs down and to the left. */
function move(sheet, char, key) {
  const columns = getComputedStyle(char.parentElement).writingMode.startsWith("vertical");
  const moves = columns
    ? { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowLeft: [1, 0], ArrowRight: [-1, 0] }
    : { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  if (!moves[key]) return false;
  const [lines, places] = moves[key];
  const next = sheet.at(Number(char.dataset.line) + lines, Number(char.dataset.place) + places);
  if (next) {
    char.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
  return true;
}
