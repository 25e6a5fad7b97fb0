/** Who gets in: this session, those elsewhere, and programs with a token of their own. */

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Failure } from "../ui/failure";
import { Row, Section } from "./section";
import { Tokens } from "./tokens";

export default function Access() {
  return (
    <>
      <Sessions />
      <Tokens />
    </>
  );
}

function Sessions() {
  const { t } = useTranslation();
  const { api, session } = useServices();
  const [asking, setAsking] = useState(false);
  const here = useMutation({ mutationFn: () => session.signOut() });
  const everywhere = useMutation({
    mutationFn: () => session.signOut(() => api.POST("/v1/account/sign-out-everywhere")),
  });
  return (
    <Section title={t("account.sessions.title")} text={t("account.sessions.text")}>
      <Row>
        <Button look="primary" busy={here.isPending} onClick={() => here.mutate()}>
          {t("account.sessions.signOut")}
        </Button>
        <Button onClick={() => setAsking(true)}>{t("account.sessions.everywhere")}</Button>
      </Row>
      <Dialog
        open={asking}
        onClose={() => setAsking(false)}
        title={t("account.sessions.everywhere")}
        description={t("account.sessions.everywhereText")}
        actions={
          <>
            <Button onClick={() => setAsking(false)}>{t("common.cancel")}</Button>
            <Button look="primary" busy={everywhere.isPending} onClick={() => everywhere.mutate()}>
              {t("account.sessions.everywhere")}
            </Button>
          </>
        }
      >
        {everywhere.error && <Failure error={everywhere.error} />}
      </Dialog>
    </Section>
  );
}
