/** Amounts of the API are micro-dollars: millionths of a US dollar. */

const MICRO = 1_000_000;

/** An amount as people of a language write it; small ones with as many digits as they need to be more than nothing. */
export function money(microDollars: number, language: string): string {
  const dollars = microDollars / MICRO;
  const small = dollars !== 0 && Math.abs(dollars) < 0.1;
  return new Intl.NumberFormat(language, {
    style: "currency",
    currency: "USD",
    currencyDisplay: "narrowSymbol",
    ...(small && { minimumFractionDigits: 2, maximumSignificantDigits: 2 }),
  }).format(dollars);
}
