import { http, HttpResponse } from "msw";
import { ProblemError } from "../api/problems";
import { keeping, problem } from "../testing/memories";
import { server } from "../testing/server";
import { API, testServices } from "../testing/services";
import { BLANK } from "./content";
import { Outbox, waitBefore, type Stored } from "./outbox";
import { OutboxStore } from "./outbox-store";

/** Wait as long as a busy machine may take. */
const until = (check: () => void) => vi.waitFor(check, { timeout: 4_000 });

let owner = 0;

function outboxOf(name: string) {
  const stored: Stored[] = [];
  const outbox = new Outbox({
    owner: name,
    api: testServices().api,
    store: new OutboxStore(),
    locks: navigator.locks,
    onStored: (some) => stored.push(...some),
  });
  outbox.start();
  onTestFinished(() => outbox.stop());
  return { outbox, stored };
}

const fresh = () => outboxOf(`owner-${++owner}`);
const content = (text: string) => ({ ...BLANK, text });
const texts = (stored: Stored[]) => stored.map(({ memory }) => memory.text);

test("what is added is sent at once, in the order in which it was written", async () => {
  const { held } = keeping();
  const { outbox, stored } = fresh();
  await outbox.add([content("first"), content("second"), content("third")]);
  await until(() => expect(texts(stored)).toEqual(["first", "second", "third"]));
  await until(() => expect(outbox.snapshot()).toEqual([]));
  await outbox.add([content("first")]);
  await until(() => expect(stored.at(-1)?.duplicate).toBe(true));
  expect(held).toHaveLength(3);
});

test("what cannot be sent waits, and another page of the same user sends it, not one of another user", async () => {
  let failed = 0;
  server.use(
    http.post(`${API}/v1/memories`, () => {
      failed += 1;
      return HttpResponse.error();
    }),
  );
  const name = `owner-${++owner}`;
  const first = outboxOf(name);
  await first.outbox.add([content("later")]);
  expect(first.outbox.snapshot()).toMatchObject([{ content: { text: "later" }, refusal: null }]);
  await until(() => expect(failed).toBeGreaterThan(0));
  first.outbox.stop();
  keeping();
  const other = fresh();
  const second = outboxOf(name);
  await until(() => expect(texts(second.stored)).toEqual(["later"]));
  expect(other.stored).toEqual([]);
});

test("the network's return wakes what waits", async () => {
  vi.spyOn(Math, "random").mockReturnValue(1);
  let down = true;
  server.use(http.post(`${API}/v1/memories`, () => (down ? problem(503, "unavailable") : undefined)));
  const { outbox, stored } = fresh();
  server.use();
  await outbox.add([content("tea")]);
  await until(() => expect(outbox.snapshot()).toHaveLength(1));
  down = false;
  keeping();
  await until(() => {
    window.dispatchEvent(new Event("online"));
    expect(texts(stored)).toEqual(["tea"]);
  });
});

test("one that is refused does not hold up the others; it is kept until it is mended or discarded", async () => {
  const { held } = keeping();
  server.use(
    http.post(`${API}/v1/memories/batch`, () => problem(422, "invalid")),
    http.post(`${API}/v1/memories`, async ({ request }) => {
      const { text } = (await request.clone().json()) as { text: string };
      if (text !== "bad") return undefined;
      return problem(422, "invalid", { errors: [{ field: "body.text", message: "Too bad.", code: "bad" }] });
    }),
  );
  const { outbox } = fresh();
  await outbox.add([content("good"), content("bad"), content("fine")]);
  await until(() => expect(outbox.snapshot()).toMatchObject([{ refusal: "Too bad." }]));
  expect(held.map(({ text }) => text)).toEqual(["good", "fine"]);
  const [refused] = outbox.snapshot();
  if (refused) await outbox.mend(refused, content("better"));
  await until(() => expect(held.at(-1)?.text).toBe("better"));
  await outbox.add([content("bad")]);
  await until(() => expect(outbox.snapshot()).toMatchObject([{ refusal: "Too bad." }]));
  await outbox.discard(outbox.snapshot().map(({ id }) => id));
  expect(outbox.snapshot()).toEqual([]);
});

test("pauses double up to a bound, are random, and never shorter than the API asks", () => {
  const half = () => 0.5;
  expect([0, 1, 2, 20].map((failures) => waitBefore(failures, null, half))).toEqual([250, 500, 1000, 15_000]);
  const busy = { type: "x", title: "x", status: 429, detail: null, instance: null, errors: null };
  expect(waitBefore(0, new ProblemError(busy, 7), half)).toBe(7_250);
  expect(waitBefore(0, new ProblemError(busy), half)).toBe(250);
});
