import { registerSW } from "virtual:pwa-register";
import { keepOffline } from "./offline";
import { takeToasts } from "./ui/toasts";

vi.mock("virtual:pwa-register", () => ({ registerSW: vi.fn() }));

test("a new version is told, and taken when its user says so", () => {
  const update = vi.fn();
  vi.mocked(registerSW).mockReturnValue(update);
  keepOffline();
  vi.mocked(registerSW).mock.lastCall?.[0]?.onNeedRefresh?.();
  const [told] = takeToasts();
  expect(told).toMatchObject({ title: "A new version of Recall is there", lasting: true });
  expect(update).not.toHaveBeenCalled();
  told?.action?.run();
  expect(update).toHaveBeenCalledWith(true);
});

test("a page that stays open asks again every hour, also when it cannot be answered", async () => {
  vi.useFakeTimers();
  keepOffline();
  const options = vi.mocked(registerSW).mock.lastCall?.[0];
  options?.onRegisteredSW?.("/sw.js", undefined);
  expect(vi.getTimerCount()).toBe(0);
  const registration = { update: vi.fn(() => Promise.reject(new Error("offline"))) };
  options?.onRegisteredSW?.("/sw.js", registration as unknown as ServiceWorkerRegistration);
  await vi.advanceTimersByTimeAsync(3 * 60 * 60 * 1000);
  expect(registration.update).toHaveBeenCalledTimes(3);
  vi.useRealTimers();
});
