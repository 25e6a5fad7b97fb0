import { http, HttpResponse } from "msw";
import { loadConfiguration } from "./configuration";
import { ProblemError, UnreachableError } from "./api/problems";
import { API, CONFIGURATION } from "./testing/services";
import { server } from "./testing/server";

const CONFIG = `${API}/v1/config`;

test("the last answer opens the app without a network", async () => {
  server.use(http.get(CONFIG, () => HttpResponse.json(CONFIGURATION), { once: true }));
  expect(await loadConfiguration(API, localStorage)).toEqual(CONFIGURATION);
  server.use(http.get(CONFIG, () => HttpResponse.error()));
  expect(await loadConfiguration(API, localStorage)).toEqual(CONFIGURATION);
});

test("without any answer the failure is told", async () => {
  server.use(http.get(CONFIG, () => HttpResponse.error(), { once: true }));
  await expect(loadConfiguration(API, localStorage)).rejects.toBeInstanceOf(UnreachableError);
  server.use(http.get(CONFIG, () => new HttpResponse(null, { status: 503 })));
  await expect(loadConfiguration(API, localStorage)).rejects.toBeInstanceOf(ProblemError);
});
