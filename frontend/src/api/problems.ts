/** What the API refuses with (RFC 9457), and what happens when there is no answer at all. */

import type { components } from "./schema";

export type Problem = components["schemas"]["Problem"];

/** An answer of the API other than a success. */
export class ProblemError extends Error {
  readonly problem: Problem;
  /** Seconds after which the API asks to try again; null when it does not say. */
  readonly retryAfter: number | null;

  constructor(problem: Problem, retryAfter: number | null = null) {
    super(problem.detail ?? problem.title);
    this.name = "ProblemError";
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  get status(): number {
    return this.problem.status;
  }

  /** The last part of the problem's type: `not-found`, `budget-spent`, … */
  get kind(): string {
    return this.problem.type.split(":").at(-1) ?? "";
  }
}

/** No answer came: the network is down, the API is, or it took too long. */
export class UnreachableError extends Error {
  constructor(cause?: unknown) {
    super("The API cannot be reached.", { cause });
    this.name = "UnreachableError";
  }
}

/** Whether trying the same again later may help. */
export function isPassing(error: unknown): boolean {
  if (error instanceof UnreachableError) return true;
  return (
    error instanceof ProblemError && (error.status >= 500 || error.status === 429 || error.status === 401)
  );
}

/** Read the problem that an answer holds; answers of anything between us and the API are no problem documents. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const retryAfter = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  const after = Number.isNaN(retryAfter) ? null : retryAfter;
  const body: unknown = await response.json().catch(() => null);
  if (isProblem(body)) return new ProblemError(body, after);
  const title = response.statusText || `HTTP ${response.status}`;
  return new ProblemError(
    { type: "about:blank", title, status: response.status, detail: null, instance: null, errors: null },
    after,
  );
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "title" in body && "status" in body && "type" in body;
}
