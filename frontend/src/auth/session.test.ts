import { http, HttpResponse } from "msw";
import { User } from "oidc-client-ts";
import { CONFIGURATION } from "../testing/services";
import { server } from "../testing/server";
import { createUserManager, Session } from "./session";

const TOKEN = `${CONFIGURATION.signInUrl}/oauth2/token`;
const claims = { iss: CONFIGURATION.issuer, aud: "client", sub: "anna", exp: 9e9, iat: 1 };
const idToken = ["e30", btoa(JSON.stringify(claims)).replaceAll("=", ""), "x"].join(".");

async function signedIn(expiresIn: number): Promise<Session> {
  const session = new Session(
    createUserManager(CONFIGURATION, "https://beta.example.org"),
    CONFIGURATION,
    localStorage,
  );
  const user = new User({
    access_token: "old",
    refresh_token: "refresh",
    id_token: idToken,
    token_type: "Bearer",
    profile: claims,
    expires_at: Math.floor(Date.now() / 1000) + expiresIn,
  });
  await session.manager.storeUser(user);
  return session;
}

const fresh = () =>
  HttpResponse.json({ access_token: "new", id_token: idToken, token_type: "Bearer", expires_in: 3600 });

test("a good token is used as it is; nobody has none", async () => {
  expect(await (await signedIn(3600)).current()).toBe("old");
  const nobody = new Session(
    createUserManager(CONFIGURATION, "https://beta.example.org"),
    CONFIGURATION,
    localStorage,
  );
  expect(await nobody.current()).toBeNull();
});

test("an expired token is renewed, once for all who ask", async () => {
  let asked = 0;
  server.use(
    http.post(TOKEN, async ({ request }) => {
      asked += 1;
      expect((await request.formData()).get("refresh_token")).toBe("refresh");
      return fresh();
    }),
  );
  const session = await signedIn(-10);
  expect(await Promise.all([session.current(), session.current()])).toEqual(["new", "new"]);
  expect(asked).toBe(1);
  expect(session.wasSignedIn).toBe(true);
});

test("a session whose renewal is refused is over, and a new one ends that", async () => {
  server.use(
    http.post(TOKEN, () => HttpResponse.json({ error: "invalid_grant" }, { status: 400 }), { once: true }),
  );
  const session = await signedIn(3600);
  const told = vi.fn();
  const stop = session.subscribe(told);
  expect(await session.renewed()).toBeNull();
  expect(session.isOver).toBe(true);
  server.use(http.post(TOKEN, fresh));
  expect(await session.renewed()).toBe("new");
  expect(session.isOver).toBe(false);
  stop();
  expect(told).toHaveBeenCalledTimes(2);
});

test("a session that was ended elsewhere is over", async () => {
  const session = await signedIn(3600);
  session.refused();
  expect(session.isOver).toBe(true);
});

test("no token lies in the browser's storage", async () => {
  await signedIn(3600);
  expect(JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)])).not.toMatch(
    /old|refresh/,
  );
});
