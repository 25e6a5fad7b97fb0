/** Signing in at Cognito's hosted pages (authorization code with PKCE). Tokens stay in memory: they end with the page. */

import { InMemoryWebStorage, UserManager, WebStorageStateStore, type User } from "oidc-client-ts";
import type { TokenSource } from "../api/client";
import type { Configuration } from "../configuration";
import { forgetSettings } from "../local-data";

/** Says who was signed in here, by the user's id (`sub`): then a new page goes straight to the sign-in pages. */
const WAS_SIGNED_IN = "recall.was-signed-in";

/** What is remembered across the way to the sign-in pages and back. */
export interface Return {
  /** The page that was left, with its search parameters. */
  path: string;
}

/** Make the manager of one page's session. All addresses come from the instance's configuration. */
export function createUserManager(configuration: Configuration, origin: string): UserManager {
  const { signInUrl, issuer, clientId, scopes } = configuration;
  return new UserManager({
    authority: issuer,
    // Given whole, because a page may not read the issuer's own discovery document everywhere.
    metadata: {
      issuer,
      authorization_endpoint: `${signInUrl}/oauth2/authorize`,
      token_endpoint: `${signInUrl}/oauth2/token`,
      revocation_endpoint: `${signInUrl}/oauth2/revoke`,
      userinfo_endpoint: `${signInUrl}/oauth2/userInfo`,
    },
    client_id: clientId,
    redirect_uri: `${origin}/callback`,
    scope: scopes.join(" "),
    response_type: "code",
    loadUserInfo: false,
    automaticSilentRenew: true,
    requestTimeoutInSeconds: 10,
    userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
    stateStore: new WebStorageStateStore({ store: window.sessionStorage }),
  });
}

/** The session of this page. */
export class Session implements TokenSource {
  private renewal: Promise<User | null> | null = null;
  private readonly listeners = new Set<() => void>();
  private over = false;
  /** Whether the session was ended elsewhere: the sign-in pages have to ask again, or they would go on with it. */
  private ended = false;
  private guard: (() => Promise<boolean>) | null = null;

  constructor(
    readonly manager: UserManager,
    private readonly configuration: Configuration,
    private readonly storage: Storage,
  ) {
    manager.events.addUserLoaded((user) => {
      storage.setItem(WAS_SIGNED_IN, user.profile.sub);
      this.setOver(false);
    });
    // Until a call is refused nothing is lost: the renewal may have failed for want of a network.
  }

  /** Whether somebody was signed in here before, and has not signed out since. */
  get wasSignedIn(): boolean {
    return this.storage.getItem(WAS_SIGNED_IN) !== null;
  }

  /** Who is signed in, or was when the app is opened without a network (`sub`). Whose unsent text is whose goes by it. */
  get subject(): string | null {
    return this.storage.getItem(WAS_SIGNED_IN);
  }

  /** Whether the API refuses the session's tokens for good: the user has to sign in again. */
  get isOver(): boolean {
    return this.over;
  }

  /** Be told when `isOver` changes; returns how to stop. For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  async current(): Promise<string | null> {
    const user = await this.manager.getUser();
    if (user === null) return null;
    if (user.expired !== true) return user.access_token;
    return this.renewed();
  }

  async renewed(): Promise<string | null> {
    if ((await this.manager.getUser()) === null) {
      // Opened without a network: there is nothing to renew by, only signing in helps.
      this.setOver(navigator.onLine);
      return null;
    }
    // Many calls may be refused at once: they share one renewal.
    this.renewal ??= this.manager.signinSilent().finally(() => (this.renewal = null));
    const user = await this.renewal.catch(() => null);
    if (user === null && navigator.onLine) this.setOver(true);
    return user?.access_token ?? null;
  }

  refused(): void {
    this.ended = true;
    this.setOver(true);
  }

  /** Leave for the sign-in pages, and come back to the page that is open now. */
  async signIn(): Promise<void> {
    const path = window.location.pathname + window.location.search;
    const state: Return = { path: path.startsWith("/callback") ? "/" : path };
    // The sign-in pages may still know a session that was ended; its tokens would be refused again.
    await this.manager.signinRedirect({ state, ...(this.ended && { prompt: "login" }) });
  }

  /** Ask before every sign-out; an answer of false keeps the session. Returns how to stop asking. */
  guardSignOut(guard: () => Promise<boolean>): () => void {
    this.guard = guard;
    return () => {
      if (this.guard === guard) this.guard = null;
    };
  }

  /**
   * Forget the session here and at the sign-in pages, and what was kept in this browser; leave for the start page.
   * Without a network the sign-in pages keep their own session for up to an hour. A guard may say no; `before` is done
   * after it did not.
   */
  async signOut(before: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
    if (this.guard !== null && !(await this.guard())) return;
    await before();
    await this.manager.revokeTokens(["refresh_token"]).catch(() => undefined);
    await this.manager.removeUser();
    forgetSettings();
    if (!navigator.onLine) {
      window.location.assign("/");
      return;
    }
    const { signInUrl, clientId } = this.configuration;
    const query = new URLSearchParams({ client_id: clientId, logout_uri: `${window.location.origin}/` });
    window.location.assign(`${signInUrl}/logout?${query}`);
  }

  private setOver(over: boolean): void {
    if (this.over === over) return;
    this.over = over;
    for (const listener of this.listeners) listener();
  }
}
