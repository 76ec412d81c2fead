/**
 * The files of unsent messages, stored in IndexedDB until the message is sent, so that they survive a switch of the
 * room and a reload. Without storage they end with the page; nothing waits for storage.
 */
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Attachment } from "./protocol";

export interface DraftFile {
  key: string;
  /** Account, room and thread: the key of the draft that the file belongs to. */
  scope: string;
  /** Position in the draft. */
  order: number;
  name: string;
  file: Blob;
  /** The upload, once it is complete, and when that was. */
  attachment: Attachment | null;
  uploadedAtMs: number;
}

interface Schema extends DBSchema {
  files: { key: string; value: DraftFile; indexes: { scope: string } };
}

/** The server deletes an upload that no message uses; an older one is uploaded again. */
const UPLOAD_VALID_MS = 3_600_000;

let opened: Promise<IDBPDatabase<Schema> | null> | undefined;

function open(): Promise<IDBPDatabase<Schema> | null> {
  opened ??=
    typeof indexedDB === "undefined"
      ? Promise.resolve(null)
      : openDB<Schema>("chinwag-drafts", 1, {
          upgrade: (db) => {
            db.createObjectStore("files", { keyPath: "key" }).createIndex("scope", "scope");
          },
        }).catch(() => null);
  return opened;
}

/** The files of a draft, in order. */
export async function loadDraftFiles(scope: string, nowMs = Date.now()): Promise<DraftFile[]> {
  const db = await open();
  const files = await (db?.getAllFromIndex("files", "scope", scope) ?? []);
  const current = files.map((file) =>
    nowMs - file.uploadedAtMs < UPLOAD_VALID_MS ? file : { ...file, attachment: null },
  );
  return current.sort((a, b) => a.order - b.order);
}

export async function saveDraftFile(file: DraftFile): Promise<void> {
  await (await open())?.put("files", file).catch(() => {});
}

export async function removeDraftFiles(keys: string[]): Promise<void> {
  const db = await open();
  await Promise.all(keys.map((key) => db?.delete("files", key).catch(() => {})));
}
