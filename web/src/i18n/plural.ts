/** The forms of a text by plural category. `other` always exists; `#` stands for the number. */
export type PluralForms = { other: string } & { [category in Intl.LDMLPluralRule]?: string };

/** The language with the browser's own region, which decides digits and 12 or 24 hours, if the browser has one. */
export const regional = (locale: string): string =>
  globalThis.navigator?.languages?.find((language) => language.split("-")[0] === locale) ?? locale;

/** Returns a function that picks the plural form of a locale and inserts the number, formatted for that locale. */
export function pluralFor(locale: string) {
  const rules = new Intl.PluralRules(locale);
  const numbers = new Intl.NumberFormat(regional(locale));
  return (count: number, forms: PluralForms): string =>
    (forms[rules.select(count)] ?? forms.other).replaceAll("#", numbers.format(count));
}
