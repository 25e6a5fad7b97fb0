import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { apiOrigin, authorizedFetch, createApi } from "./api/client";
import { App, createQueryClient } from "./app";
import { createUserManager, Session } from "./auth/session";
import { loadConfiguration } from "./configuration";
import { preferredLanguage, startLanguage } from "./i18n";
import "./theme/base.css";
import "./theme/tokens.css";
import { keptTheme, showTheme } from "./theme/theme";
import { Unreachable } from "./layout/unreachable";

async function start(): Promise<void> {
  showTheme(keptTheme(localStorage));
  const place = document.getElementById("root");
  if (place === null) throw new Error("index.html has no #root");
  const root = createRoot(place);
  const origin = apiOrigin(window.location);
  const language = startLanguage(preferredLanguage(localStorage, navigator.languages));
  try {
    const configuration = await loadConfiguration(origin, localStorage);
    await language;
    const session = new Session(
      createUserManager(configuration, window.location.origin),
      configuration,
      localStorage,
    );
    const fetch = authorizedFetch(session);
    const services = { configuration, origin, api: createApi(origin, fetch), fetch, session };
    root.render(
      <StrictMode>
        <App services={services} queries={createQueryClient()} />
      </StrictMode>,
    );
  } catch (error) {
    await language;
    root.render(<Unreachable error={error} />);
  }
}

void start();

// When the page is there: what is for the next visit must not be in the way of this one.
if (import.meta.env.PROD)
  window.addEventListener("load", () => void import("./offline").then(({ keepOffline }) => keepOffline()));
