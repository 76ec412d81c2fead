/**
 * What was sent and isn't confirmed, kept where it survives the tab. Each entry has one tab that looks after it; when
 * that tab is gone (a reload, a crash) another takes it over, under the same `clientId`, so it is once even if two do.
 * Storage that fails only means that nothing survives: sending never waits for it.
 */
import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { ErrorBody } from "./protocol";
import { newOutgoing, type Op, type Outgoing } from "./room-outgoing";

export interface Outbox {
  /** What is left in the room by tabs that are gone, oldest first; it is this tab's from now on. */
  adopt(roomId: string): Promise<Outgoing[]>;
  put(roomId: string, one: Outgoing): void;
  remove(clientId: string): void;
  close(): void;
}

/** For where nothing is to be kept (a bot, a test). */
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
  /** Of one tab's entries, which came first: several may be of one millisecond. */
  order: number;
  status: Outgoing["status"];
  error: ErrorBody | null;
}

interface Schema extends DBSchema {
  entries: { key: string; value: Entry; indexes: { scope: string } };
}

/** The server knows a `clientId` for at least 7 days; older than this, sending again might double it. */
const SURE_MS = 6 * 24 * 3_600_000;

const TOO_OLD: ErrorBody = {
  code: "too_old",
  message: "It was written days ago, and whether it arrived isn't known.",
  retryable: true,
};

interface Where {
  locks?: LockManager | undefined;
  now?: () => number;
}

/** `account` tells people and tenants apart who share a browser. */
export function browserOutbox(account: string, where: Where = {}): Outbox {
  const locks = "locks" in where ? where.locks : globalThis.navigator?.locks;
  const now = where.now ?? Date.now;
  const owner = crypto.randomUUID();
  const scopeOf = (roomId: string) => JSON.stringify([account, roomId]);
  const opened = open();
  /** One after the other, so that a removal never overtakes what it removes. */
  let last: Promise<unknown> = Promise.resolve();
  let letGo = () => {};
  const orders = new Map<string, number>();
  let placed = 0;
  const orderOf = (clientId: string): number => {
    const order = orders.get(clientId) ?? placed++;
    orders.set(clientId, order);
    return order;
  };
  const alive = holdLock(locks, lockName(owner), (release) => {
    letGo = release;
  });

  const then = <T>(work: (db: IDBPDatabase<Schema>) => Promise<T>, otherwise: T): Promise<T> => {
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
    const free = found.filter((one) => one.owner === owner || !held.includes(lockName(one.owner)));
    await Promise.all(free.map((one) => tx.store.put({ ...one, owner })));
    await tx.done;
    free.sort((a, b) => a.createdAtMs - b.createdAtMs || a.order - b.order);
    for (const { clientId } of free) orderOf(clientId);
    return free.map((one) => revive(one, now()));
  };

  return {
    adopt: async (roomId) => {
      await alive;
      return then((db) => withLock(locks, "chinwag.outbox", () => takeOver(db, roomId)), []);
    },
    put: (roomId, { clientId, op, createdAtMs, status, error }) => {
      const order = orderOf(clientId);
      const entry = { clientId, op, createdAtMs, order, status, error, owner, scope: scopeOf(roomId) };
      void then((db) => db.put("entries", entry), "");
    },
    remove: (clientId) => {
      orders.delete(clientId);
      void then((db) => db.delete("entries", clientId), undefined);
    },
    close: () => {
      void last.then(() => letGo());
    },
  };
}

const lockName = (owner: string) => `chinwag.tab.${owner}`;

function revive({ clientId, op, createdAtMs, status, error }: Entry, nowMs: number): Outgoing {
  const one = { ...newOutgoing(clientId, op, createdAtMs), status, error };
  if (status === "failed" || nowMs - createdAtMs < SURE_MS) return one;
  return { ...one, status: "failed", error: TOO_OLD };
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
    return null; // Forbidden (a private window) or broken.
  }
}

/** Resolves when the lock is held; it stays so until released or the tab is gone. */
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
