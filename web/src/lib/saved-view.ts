/**
 * What a person saw last, stored in IndexedDB for the start without a connection: the list of rooms, the people in it, and
 * the newest messages of the rooms that were open last. A saved room is a position in the room's log: the connection
 * resumes after it. It is deleted when the person signs out, and a room when they are no longer in it. Not here: what is
 * unsent (outbox.ts).
 */
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Person } from "./people";
import type { Room } from "./protocol";
import type { SavedRoom } from "./saved-room";

export interface SavedList {
  rooms: Room[];
  people: Person[];
}

export interface SavedView {
  loadList(): Promise<SavedList | null>;
  saveList(list: SavedList): void;
  loadRoom(roomId: string): Promise<SavedRoom | null>;
  saveRoom(roomId: string, room: SavedRoom): void;
  removeRoom(roomId: string): void;
  /** Deletes everything of this account. */
  clear(): Promise<void>;
}

/** Stores nothing, for bots and tests. */
export const noSavedView: SavedView = {
  loadList: async () => null,
  saveList: () => {},
  loadRoom: async () => null,
  saveRoom: () => {},
  removeRoom: () => {},
  clear: async () => {},
};

/** At 50 messages of 24 KiB each this is at most 24 MB. */
const ROOMS_MAX = 20;

interface Schema extends DBSchema {
  lists: { key: string; value: SavedList };
  rooms: {
    key: [account: string, roomId: string];
    value: { account: string; roomId: string; savedAtMs: number; room: SavedRoom };
    indexes: { savedAt: [account: string, savedAtMs: number] };
  };
}

/** `account` separates the people and tenants that share a browser. */
export function browserSavedView(account: string, now = Date.now): SavedView {
  const opened = open();
  let isCleared = false;
  const run = async <T>(work: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T | null> => {
    const db = await opened;
    if (!db || isCleared) return null;
    return work(db).catch(() => null);
  };
  const ofAccount = () => IDBKeyRange.bound([account, 0], [account, Number.MAX_SAFE_INTEGER]);
  return {
    loadList: async () => (await run((db) => db.get("lists", account))) ?? null,
    saveList: (list) => void run((db) => db.put("lists", list, account)),
    loadRoom: async (roomId) => (await run((db) => db.get("rooms", [account, roomId])))?.room ?? null,
    saveRoom: (roomId, room) =>
      void run(async (db) => {
        const { store, done } = db.transaction("rooms", "readwrite");
        await store.put({ account, roomId, savedAtMs: now(), room });
        const oldestFirst = await store.index("savedAt").getAllKeys(ofAccount());
        const extra = oldestFirst.slice(0, Math.max(0, oldestFirst.length - ROOMS_MAX));
        await Promise.all(extra.map((key) => store.delete(key)));
        await done;
      }),
    removeRoom: (roomId) => void run((db) => db.delete("rooms", [account, roomId])),
    clear: async () => {
      await run(async (db) => {
        isCleared = true;
        const tx = db.transaction(["lists", "rooms"], "readwrite");
        const keys = await tx.objectStore("rooms").index("savedAt").getAllKeys(ofAccount());
        await Promise.all([
          tx.objectStore("lists").delete(account),
          ...keys.map((key) => tx.objectStore("rooms").delete(key)),
        ]);
        await tx.done;
      });
    },
  };
}

async function open(): Promise<IDBPDatabase<Schema> | null> {
  if (typeof indexedDB === "undefined") return null;
  try {
    return await openDB<Schema>("chinwag-saved", 1, {
      upgrade: (db) => {
        db.createObjectStore("lists");
        const rooms = db.createObjectStore("rooms", { keyPath: ["account", "roomId"] });
        rooms.createIndex("savedAt", ["account", "savedAtMs"]);
      },
    });
  } catch {
    return null; // IndexedDB is disabled (a private window) or broken.
  }
}
