/** Months as the API names them: `202611`, in UTC. */

/** The first moment of a month. */
export function startOfMonth(month: string): Date {
  return new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(4)) - 1, 1));
}

/** The months before one, the earliest first. */
export function monthsBefore(month: string, count: number): string[] {
  const start = startOfMonth(month);
  return Array.from({ length: count }, (_, index) => {
    const earlier = new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() - count + index, 1));
    return earlier.toISOString().slice(0, 7).replace("-", "");
  });
}
