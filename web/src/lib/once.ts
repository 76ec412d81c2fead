/** Runs `work` at the first call and does nothing at later ones: what was retained is released once. */
export function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
