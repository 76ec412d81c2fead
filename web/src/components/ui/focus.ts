/** Where the focus goes when the element that has it disappears, so that a keyboard does not start at the top again. */

/** To the field of the open room, or to the list of rooms. */
export function focusPage(): void {
  const field = [...document.querySelectorAll<HTMLElement>("textarea")].find(
    (one) => one.offsetParent !== null,
  );
  (field ?? document.querySelector<HTMLElement>("nav a, nav button"))?.focus();
}

/** The same, if a key pressed the button that disappears. A pointer needs no focus, and on a phone it opens a keyboard. */
export function focusPageAfterKey({ detail }: { detail: number }): void {
  if (detail === 0) focusPage();
}
