/**
 * What a person sets for this browser: theme, density, what Enter does, whether there is a sound. Kept in localStorage,
 * and the same in all tabs. Not here: what the server keeps (notification settings).
 */
import { useSyncExternalStore } from "react";

const KEY = "chinwag.settings";
const CHOICES = {
  theme: ["system", "light", "dark"],
  contrast: ["system", "more"],
  density: ["cosy", "compact"],
  order: ["sections", "unread", "recent"],
  enter: ["auto", "sends", "newLine"],
  sound: ["off", "on"],
} as const;

export type Settings = { [name in keyof typeof CHOICES]: (typeof CHOICES)[name][number] };

/** The choices of a setting; the first is the default. */
export const choices = (name: keyof Settings): readonly string[] => CHOICES[name];

const listeners = new Set<() => void>();
let settings = load();

/** Takes over what it knows of a stored text; everything else has its default. */
export function parseSettings(text: string | null): Settings {
  let stored: Record<string, unknown> = {};
  try {
    stored = Object(JSON.parse(text ?? "{}"));
  } catch {
    // Not written by this page.
  }
  const entry = ([name, values]: [string, readonly string[]]) => {
    const value = values.find((known) => known === stored[name]);
    return [name, value ?? values[0]];
  };
  return Object.fromEntries(Object.entries(CHOICES).map(entry)) as Settings;
}

function load(): Settings {
  try {
    return parseSettings(localStorage.getItem(KEY));
  } catch {
    // Storage may be disabled.
    return parseSettings(null);
  }
}

function adopt(next: Settings): void {
  settings = next;
  applySettings();
  for (const listener of listeners) listener();
}

export function changeSettings(change: Partial<Settings>): void {
  const next = { ...settings, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // It applies until the page is closed.
  }
  adopt(next);
}

/** Sets the attributes that the styles depend on (theme.css). For our own page; an embedding page sets its own. */
export function applySettings(): void {
  const { theme, contrast, density } = settings;
  Object.assign(document.documentElement.dataset, { theme, contrast, density });
}

/** Applies what another tab changes. */
export function followSettings(): void {
  window.addEventListener("storage", ({ key }) => {
    if (key === KEY || key === null) adopt(load());
  });
}

export function useSettings(): Settings {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => settings,
  );
}

/** Whether Enter sends the message. By default it starts a new line on a device without hover (a phone). */
export function useEnterSends(): boolean {
  const { enter } = useSettings();
  return enter === "auto" ? matchMedia("(hover: hover)").matches : enter === "sends";
}
