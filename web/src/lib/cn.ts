import { type ClassValue, clsx } from "clsx";

/**
 * Joins class names and skips falsy ones. Conflicting utilities are not resolved (that is tailwind-merge, 8.5 KB gzip):
 * a component offers a variant instead of an override, so no two classes may set the same property.
 */
export const cn = (...names: ClassValue[]): string => clsx(names);
