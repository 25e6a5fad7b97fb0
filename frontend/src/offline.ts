/** The worker that opens the app without a network, and tells when a new version is there. */

import i18next from "i18next";
import { registerSW } from "virtual:pwa-register";
import { toast } from "./ui/toasts";

const LOOK_AGAIN = 60 * 60 * 1000;

/** Keep the app on this device. A version that comes while it is open waits until its user reloads the page. */
export function keepOffline(): void {
  const update = registerSW({
    onNeedRefresh: () =>
      toast({
        title: i18next.t("update.ready"),
        lasting: true,
        action: { label: i18next.t("update.reload"), run: () => void update(true) },
      }),
    onRegisteredSW: (_address, registration) => {
      // A page that stays open for days asks by itself; without a network there is nothing to learn.
      if (registration) setInterval(() => void registration.update().catch(() => undefined), LOOK_AGAIN);
    },
  });
}
