/**
 * The people that the screen shows: profiles by id, asked for in batches and kept while the tab lives. A person is first
 * shown by what a room, the inbox or nobody sent of them (their id), and again when the profile arrives.
 */
import { ApiError } from "./http";
import type { Person as WirePerson } from "./protocol";

export type Presence = WirePerson["presence"];

export interface Person extends Omit<WirePerson, "presence" | "hasCome"> {
  /** `null`: not known. */
  presence: Presence | null;
  hasCome: boolean | null;
}

/** Requests of one rendering go out together. */
const GATHER_MS = 30;
/** `ids` of `GET /people`. */
const IDS_MAX = 100;
/** A profile is asked for again after this, the next time that it is shown. */
const STALE_MS = 600_000;
/** And after a failure after this. */
const RETRY_MS = 30_000;

const unknownPerson = (userId: string): Person => ({
  userId,
  name: userId,
  avatarUrl: null,
  title: null,
  status: null,
  timezone: null,
  presence: null,
  hasCome: null,
  deactivated: false,
});

export class People {
  private readonly known = new Map<string, Person>();
  private readonly askedAtMs = new Map<string, number>();
  private readonly wanted = new Set<string>();
  private readonly listeners = new Map<string, Set<() => void>>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** The server has no directory. */
  private isAbsent = false;

  constructor(private readonly api: { peopleById(ids: string[]): Promise<{ people: Person[] }> }) {}

  /** The same object until the person changes. It asks for nobody. */
  get(userId: string): Person {
    const known = this.known.get(userId);
    if (known) return known;
    const person = unknownPerson(userId);
    this.known.set(userId, person);
    return person;
  }

  /** Calls `listener` when the person changes, and asks for their profile unless it is fresh. */
  subscribe(userId: string, listener: () => void): () => void {
    const all = this.listeners.get(userId) ?? new Set();
    this.listeners.set(userId, all.add(listener));
    this.request(userId);
    return () => {
      all.delete(listener);
      if (all.size === 0 && this.listeners.get(userId) === all) this.listeners.delete(userId);
    };
  }

  /** Takes over what the server knows of somebody, as a whole or in part. */
  put(part: Partial<Person> & { userId: string }): void {
    const now = this.get(part.userId);
    const next = { ...now, ...part, name: part.name || now.name };
    const isSame = (Object.keys(next) as (keyof Person)[]).every(
      (key) => JSON.stringify(next[key]) === JSON.stringify(now[key]),
    );
    if (isSame) return;
    this.known.set(part.userId, next);
    for (const listener of this.listeners.get(part.userId) ?? []) listener();
  }

  /** Those whose profile is known, at most so many. */
  named(countMax: number): Person[] {
    const named = [...this.known.values()].filter(
      ({ userId, name, avatarUrl }) => name !== userId || avatarUrl,
    );
    return named.slice(0, countMax);
  }

  close(): void {
    clearTimeout(this.timer);
    this.wanted.clear();
  }

  private request(userId: string): void {
    const askedAtMs = this.askedAtMs.get(userId) ?? Number.NEGATIVE_INFINITY;
    if (this.isAbsent || Date.now() - askedAtMs < STALE_MS) return;
    this.askedAtMs.set(userId, Date.now());
    this.wanted.add(userId);
    this.timer ??= setTimeout(() => void this.fetchWanted(), GATHER_MS);
  }

  private async fetchWanted(): Promise<void> {
    this.timer = undefined;
    const ids = [...this.wanted];
    this.wanted.clear();
    for (let from = 0; from < ids.length; from += IDS_MAX) {
      const page = ids.slice(from, from + IDS_MAX);
      try {
        for (const person of (await this.api.peopleById(page)).people) this.put(person);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) this.isAbsent = true;
        else for (const id of page) this.askedAtMs.set(id, Date.now() - STALE_MS + RETRY_MS);
      }
    }
  }
}
