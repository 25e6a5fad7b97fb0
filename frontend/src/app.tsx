/** The app: its screens, each loaded when it is first opened. */

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { AuthProvider } from "react-oidc-context";
import { Route, Switch } from "wouter";
import { navigate } from "wouter/use-browser-location";
import { isPassing } from "./api/problems";
import { Gate } from "./auth/gate";
import type { Return } from "./auth/session";
import { lazyWithWords } from "./i18n";
import { FailureBoundary } from "./layout/failure-boundary";
import { NotFound } from "./layout/not-found";
import { Shell } from "./layout/shell";
import { MemoriesPage } from "./memories/memories-page";
import { OutboxProvider } from "./remember/outbox-context";
import { ServicesContext, type Services } from "./services";
import { Loading } from "./ui/loading";
import { ToastGate } from "./ui/toast-gate";

const DeletedPage = lazy(() => import("./memories/deleted-page"));
const ImportPage = lazyWithWords("import", () => import("./remember/import-page"));
const MemoryPage = lazy(() => import("./memories/memory-page"));
const ChatPage = lazyWithWords("chat", () => import("./chat/chat-page"));
const AccountPage = lazyWithWords("account", () => import("./account/account-page"));

/** What screens read is kept for the session, in memory only; reads that fail for a passing reason are repeated. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        // Browsers are wrong about networks: a call that fails says more, and `online` repeats it.
        networkMode: "always",
        refetchOnReconnect: true,
        retry: (failures, error) => failures < 3 && isPassing(error),
        // Full jitter: clients that failed together do not come back together.
        retryDelay: (failures) => Math.random() * Math.min(8_000, 500 * 2 ** failures),
      },
      mutations: { networkMode: "always" },
    },
  });
}

export function App({ services, queries }: { services: Services; queries: QueryClient }) {
  return (
    <ServicesContext value={services}>
      <AuthProvider userManager={services.session.manager} onSigninCallback={goBack}>
        <QueryClientProvider client={queries}>
          <Gate>
            <OutboxProvider>
              <Shell>
                <FailureBoundary>
                  <Suspense fallback={<Loading />}>
                    <Screens />
                  </Suspense>
                </FailureBoundary>
              </Shell>
            </OutboxProvider>
          </Gate>
          <ToastGate />
        </QueryClientProvider>
      </AuthProvider>
    </ServicesContext>
  );
}

function Screens() {
  return (
    <Switch>
      <Route path="/" component={MemoriesPage} />
      <Route path="/memories/:memory" component={MemoryPage} />
      <Route path="/deleted" component={DeletedPage} />
      <Route path="/import" component={ImportPage} />
      <Route path="/chat/:conversation?" component={ChatPage} />
      <Route path="/account/:section?" component={AccountPage} />
      <Route component={NotFound} />
    </Switch>
  );
}

/** After the sign-in pages: to the page that was left. */
function goBack(user?: { state?: unknown }): void {
  const state = user?.state as Return | undefined;
  navigate(state?.path ?? "/", { replace: true });
}
