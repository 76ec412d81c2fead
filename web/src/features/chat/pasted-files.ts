/** What a paste means: text, files, or both (a spreadsheet puts its cells and a picture of them on the clipboard). */
export interface Pasted {
  /** Files to attach at once. */
  attach: File[];
  /** Files to offer, because the text is pasted. */
  offer: File[];
}

export function readPaste(data: Pick<DataTransfer, "files" | "getData">): Pasted {
  const files = [...data.files];
  const text = data.getData("text/plain").trim();
  // A file that was copied in a file manager comes with its name as text.
  const isFileName = files.some((file) => file.name === text);
  if (files.length === 0 || text === "" || isFileName) return { attach: files, offer: [] };
  return { attach: [], offer: files };
}
