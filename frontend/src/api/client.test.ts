import { http, HttpResponse } from "msw";
import { API } from "../testing/services";
import { server } from "../testing/server";
import { apiOrigin, authorizedFetch, createApi, data, type TokenSource } from "./client";
import { isPassing, ProblemError, UnreachableError } from "./problems";

const problem = (status: number, kind: string, extra = {}) => ({
  type: `urn:recall:problem:${kind}`,
  title: "Refused",
  status,
  detail: "Because.",
  instance: null,
  errors: null,
  ...extra,
});

function tokens(current: string | null, renewed: string | null = null) {
  const [one, other] = [vi.fn(() => Promise.resolve(current)), vi.fn(() => Promise.resolve(renewed))];
  return { current: one, renewed: other, refused: vi.fn() };
}

const apiWith = (source: TokenSource) => createApi(API, authorizedFetch(source));

test("the API lies beside the web app, with the same scheme and port", () => {
  expect(apiOrigin({ protocol: "http:", host: "beta.recall.localhost:8080" })).toBe(
    "http://api.beta.recall.localhost:8080",
  );
});

test("every call carries the token", async () => {
  server.use(
    http.get(`${API}/v1/memories/counts`, ({ request }) =>
      HttpResponse.json({ token: request.headers.get("authorization") }),
    ),
  );
  expect(await data(apiWith(tokens("one")).GET("/v1/memories/counts"))).toEqual({ token: "Bearer one" });
  expect(await data(apiWith(tokens(null)).GET("/v1/memories/counts"))).toEqual({ token: null });
});

test("a refused token is renewed once, and the same body sent again", async () => {
  const bodies: unknown[] = [];
  server.use(
    http.post(`${API}/v1/memories`, async ({ request }) => {
      bodies.push(await request.json());
      const good = request.headers.get("authorization") === "Bearer new";
      return good
        ? HttpResponse.json({ id: "1" }, { status: 201 })
        : HttpResponse.json(problem(401, "unauthorized"), { status: 401 });
    }),
  );
  const source = tokens("old", "new");
  await data(apiWith(source).POST("/v1/memories", { body: { text: "Tea." } }));
  expect(bodies).toEqual([{ text: "Tea." }, { text: "Tea." }]);
  expect(source.renewed).toHaveBeenCalledTimes(1);
});

test("a session whose new token is refused too was ended elsewhere", async () => {
  server.use(
    http.get(`${API}/v1/usage`, () => HttpResponse.json(problem(401, "unauthorized"), { status: 401 })),
  );
  const source = tokens("old", "new");
  await expect(apiWith(source).GET("/v1/usage")).rejects.toMatchObject({ status: 401 });
  expect(source.refused).toHaveBeenCalledTimes(1);
});

test("a token that cannot be renewed leaves the refusal", async () => {
  server.use(
    http.get(`${API}/v1/usage`, () => HttpResponse.json(problem(401, "unauthorized"), { status: 401 })),
  );
  const error = await apiWith(tokens("old"))
    .GET("/v1/usage")
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ status: 401, kind: "unauthorized", message: "Because." });
  expect(isPassing(error)).toBe(true);
});

test("a refusal says when to try again", async () => {
  server.use(
    http.get(`${API}/v1/usage`, () =>
      HttpResponse.json(problem(429, "too-many-requests"), { status: 429, headers: { "retry-after": "7" } }),
    ),
  );
  const error = await apiWith(tokens("t"))
    .GET("/v1/usage")
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ProblemError);
  expect(error).toMatchObject({ retryAfter: 7 });
});

test("what stands between us and the API may answer anything", async () => {
  server.use(
    http.get(
      `${API}/v1/usage`,
      () => new HttpResponse("<h1>Bad gateway</h1>", { status: 502, statusText: "" }),
    ),
  );
  const error = await apiWith(tokens("t"))
    .GET("/v1/usage")
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ status: 502, message: "Bad Gateway" });
});

test("no answer is told from a call that was given up", async () => {
  server.use(http.get(`${API}/v1/usage`, () => HttpResponse.error()));
  await expect(apiWith(tokens("t")).GET("/v1/usage")).rejects.toBeInstanceOf(UnreachableError);
  const given = AbortSignal.abort();
  await expect(apiWith(tokens("t")).GET("/v1/usage", { signal: given })).rejects.toMatchObject({
    name: "AbortError",
  });
  expect(isPassing(new UnreachableError())).toBe(true);
  expect(isPassing(new Error("a bug"))).toBe(false);
});
