import { lazy, Suspense } from "react";
import { useEverTold } from "./toasts";

const ToastList = lazy(() => import("./toast-list"));

/** Where messages appear, at the edge of the screen; stands once in the page, and loads the list with the first. */
export function ToastGate() {
  return useEverTold() ? (
    <Suspense fallback={null}>
      <ToastList />
    </Suspense>
  ) : null;
}
