import { Component, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../ui/button";
import { Failure } from "../ui/failure";
import { Page } from "./page";

interface State {
  error: unknown;
}

/** Shows what to do when a screen breaks, in place of an empty page; the way to the other screens stays. */
export class FailureBoundary extends Component<{ children: ReactNode }, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: unknown): State {
    return { error };
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return <Broken error={this.state.error} />;
  }
}

function Broken({ error }: { error: unknown }) {
  const { t } = useTranslation();
  return (
    <Page title={t("failure.brokenTitle")}>
      <p>{t("failure.brokenText")}</p>
      <Failure error={error} />
      <div>
        <Button look="primary" onClick={() => window.location.reload()}>
          {t("common.reload")}
        </Button>
      </div>
    </Page>
  );
}
