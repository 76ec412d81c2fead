/**
 * The outbox: operations that are not confirmed, stored in IndexedDB so that they survive the tab. Each entry is owned
 * by one tab. When that tab is gone (reload, crash), another tab takes the entry over under the same `clientId`, so the
 * server applies it once even if two tabs send it. Sending never waits for storage; without storage nothing survives.
 */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { ErrorBody } from "./protocol";
import { createId } from "./random-id";
import { newOutgoing, type Op, type Outgoing } from "./room-outgoing";

export interface Outbox {
  /** Takes over the room's entries of tabs that are gone, oldest first. */
  adopt(roomId: string): Promise<Outgoing[]>;
  put(roomId: string, outgoing: Outgoing): void;
  remove(clientId: string): void;
  close(): void;
}

/** An outbox that stores nothing, for bots and tests. */
export const noOutbox: Outbox = {
  adopt: async () => [],
  put: () => {},
  remove: () => {},
  close: () => {},
};

interface Entry {
  clientId: string;
  scope: string;
  owner: string;
  op: Op;
  createdAtMs: number;
  /** Order within one tab, because several entries may share a millisecond. */
  order: number;
  status: Outgoing["status"];
  error: ErrorBody | null;
}

interface Schema extends DBSchema {
  entries: { key: string; value: Entry; indexes: { scope: string } };
}

/**
 * The server dedupes a `clientId` for at least 7 days. An older entry is not sent again, because it could be applied
 * twice.
 */
const DEDUPE_MS = 6 * 24 * 3_600_000;

const TOO_OLD: ErrorBody = {
  code: "too_old",
  message: "The operation is days old, and it is unknown whether it arrived.",
  retryable: true,
};

interface OutboxEnvironment {
  locks?: LockManager | undefined;
  now?: () => number;
}

/** `account` separates the people and tenants that share a browser. */
export function browserOutbox(account: string, environment: OutboxEnvironment = {}): Outbox {
  const locks = "locks" in environment ? environment.locks : globalThis.navigator?.locks;
  const now = environment.now ?? Date.now;
  const owner = createId();
  const scopeOf = (roomId: string) => JSON.stringify([account, roomId]);
  const opened = open();
  /** Writes run one after the other, so that a removal never precedes its insertion. */
  let last: Promise<unknown> = Promise.resolve();
  let releaseTabLock = () => {};
  const orders = new Map<string, number>();
  let nextOrder = 0;
  const orderOf = (clientId: string): number => {
    const order = orders.get(clientId) ?? nextOrder++;
    orders.set(clientId, order);
    return order;
  };
  const alive = holdLock(locks, lockName(owner), (release) => {
    releaseTabLock = release;
  });

  const enqueue = <T>(work: (db: IDBPDatabase<Schema>) => Promise<T>, otherwise: T): Promise<T> => {
    const next = last.then(async () => {
      const db = await opened;
      return db ? work(db) : otherwise;
    });
    const safe = next.catch(() => otherwise);
    last = safe;
    return safe;
  };

  const takeOver = async (db: IDBPDatabase<Schema>, roomId: string): Promise<Outgoing[]> => {
    const held = (await locks?.query())?.held?.map((lock) => lock.name) ?? [];
    const tx = db.transaction("entries", "readwrite");
    const found = await tx.store.index("scope").getAll(scopeOf(roomId));
    const free = found.filter((entry) => entry.owner === owner || !held.includes(lockName(entry.owner)));
    await Promise.all(free.map((entry) => tx.store.put({ ...entry, owner })));
    await tx.done;
    free.sort((a, b) => a.createdAtMs - b.createdAtMs || a.order - b.order);
    for (const { clientId } of free) orderOf(clientId);
    return free.map((entry) => restore(entry, now()));
  };

  return {
    adopt: async (roomId) => {
      await alive;
      return enqueue((db) => withLock(locks, "chinwag.outbox", () => takeOver(db, roomId)), []);
    },
    put: (roomId, { clientId, op, createdAtMs, status, error }) => {
      const order = orderOf(clientId);
      const entry = { clientId, op, createdAtMs, order, status, error, owner, scope: scopeOf(roomId) };
      void enqueue((db) => db.put("entries", entry), "");
    },
    remove: (clientId) => {
      orders.delete(clientId);
      void enqueue((db) => db.delete("entries", clientId), undefined);
    },
    close: () => {
      void last.then(() => releaseTabLock());
    },
  };
}

const lockName = (owner: string) => `chinwag.tab.${owner}`;

function restore({ clientId, op, createdAtMs, status, error }: Entry, nowMs: number): Outgoing {
  const entry = { ...newOutgoing(clientId, op, createdAtMs), status, error };
  if (status === "failed" || nowMs - createdAtMs < DEDUPE_MS) return entry;
  return { ...entry, status: "failed", error: TOO_OLD };
}

async function open(): Promise<IDBPDatabase<Schema> | null> {
  if (typeof indexedDB === "undefined") return null;
  try {
    return await openDB<Schema>("chinwag", 1, {
      upgrade: (db) => {
        db.createObjectStore("entries", { keyPath: "clientId" }).createIndex("scope", "scope");
      },
    });
  } catch {
    return null; // IndexedDB is disabled (a private window) or broken.
  }
}

/** Resolves when the lock is held. The tab holds it until `release` is called or the tab ends. */
function holdLock(
  locks: LockManager | undefined,
  name: string,
  onHeld: (release: () => void) => void,
): Promise<void> {
  if (!locks) return Promise.resolve();
  return new Promise((resolve) => {
    locks
      .request(
        name,
        () =>
          new Promise<void>((release) => {
            onHeld(release);
            resolve();
          }),
      )
      .catch(() => resolve());
  });
}

async function withLock<T>(locks: LockManager | undefined, name: string, work: () => Promise<T>): Promise<T> {
  if (!locks) return work();
  return locks.request(name, work) as Promise<T>;
}
