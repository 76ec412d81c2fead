/** The forms of a text by plural category. `other` always exists; `#` stands for the number. */
export type PluralForms = { other: string } & { [category in Intl.LDMLPluralRule]?: string };

/** Returns a function that picks the plural form of a locale and inserts the number, formatted for that locale. */
export function pluralFor(locale: string) {
  const rules = new Intl.PluralRules(locale);
  const numbers = new Intl.NumberFormat(locale);
  return (count: number, forms: PluralForms): string =>
    (forms[rules.select(count)] ?? forms.other).replaceAll("#", numbers.format(count));
}
