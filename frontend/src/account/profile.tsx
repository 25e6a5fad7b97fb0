/** How a person is called, in which time they live, and how the app looks and speaks on this device. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { data, type Schema } from "../api/client";
import { chooseLanguage, LANGUAGES, type Language } from "../i18n";
import { useServices } from "../services";
import { chooseTheme, keptTheme, THEMES } from "../theme/theme";
import { Button } from "../ui/button";
import { Failure } from "../ui/failure";
import { Field } from "../ui/field";
import { Loading } from "../ui/loading";
import { toast } from "../ui/toasts";
import { Fields, Row, Section } from "./section";

type Account = Schema["AccountView"];

export default function Profile() {
  return (
    <>
      <AboutYou />
      <Appearance />
    </>
  );
}

function AboutYou() {
  const { t } = useTranslation();
  const { api } = useServices();
  const {
    data: account,
    error,
    isPending,
    refetch,
  } = useQuery({
    queryKey: ["account"],
    queryFn: () => data(api.GET("/v1/account")),
  });
  if (isPending) return <Loading />;
  if (error) return <Failure error={error} retry={() => void refetch()} />;
  return (
    <Section title={t("account.profile.title")} text={t("account.profile.text")}>
      <ProfileForm account={account} />
    </Section>
  );
}

function ProfileForm({ account }: { account: Account }) {
  const { t } = useTranslation();
  const { api } = useServices();
  const queries = useQueryClient();
  const [displayName, setDisplayName] = useState(account.displayName);
  const [timeZone, setTimeZone] = useState(account.timeZone);
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const save = useMutation({
    mutationFn: () => data(api.PATCH("/v1/account", { body: { displayName, timeZone } })),
    onSuccess: (saved) => {
      queries.setQueryData<Account>(["account"], saved);
      toast({ title: t("account.profile.saved") });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit} style={{ display: "contents" }}>
      <Fields>
        <Field label={t("account.profile.name")}>
          {(control) => (
            <input
              {...control}
              autoComplete="name"
              maxLength={100}
              value={displayName}
              onChange={(event) => setDisplayName(event.target.value)}
            />
          )}
        </Field>
        <Field label={t("account.profile.timeZone")} hint={t("account.profile.timeZoneHint")}>
          {(control) => (
            <select {...control} value={timeZone} onChange={(event) => setTimeZone(event.target.value)}>
              {timeZones(timeZone, here).map((zone) => (
                <option key={zone}>{zone}</option>
              ))}
            </select>
          )}
        </Field>
      </Fields>
      {save.error && <Failure error={save.error} />}
      <Row>
        <Button type="submit" look="primary" busy={save.isPending}>
          {t("common.save")}
        </Button>
        {timeZone !== here && (
          <Button onClick={() => setTimeZone(here)}>{t("account.profile.useHere", { zone: here })}</Button>
        )}
      </Row>
    </form>
  );
}

/** All time zones that this browser knows, and those in use: names differ a little between browsers and servers. */
function timeZones(...used: string[]): string[] {
  return [...new Set([...used, "UTC", ...Intl.supportedValuesOf("timeZone")])].sort();
}

function Appearance() {
  const { t, i18n } = useTranslation();
  const [theme, setTheme] = useState(() => keptTheme(localStorage));
  return (
    <Section title={t("account.appearance.title")} text={t("account.appearance.text")}>
      <Fields>
        <Field label={t("account.theme")}>
          {(control) => (
            <select
              {...control}
              value={theme}
              onChange={(event) => {
                const chosen = THEMES.find((name) => name === event.target.value) ?? "system";
                setTheme(chosen);
                chooseTheme(chosen, localStorage);
              }}
            >
              {THEMES.map((name) => (
                <option key={name} value={name}>
                  {t(`account.themes.${name}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t("account.language")}>
          {(control) => (
            <select
              {...control}
              value={i18n.resolvedLanguage}
              onChange={(event) => void chooseLanguage(event.target.value as Language, localStorage)}
            >
              {Object.entries(LANGUAGES).map(([code, { name }]) => (
                <option key={code} value={code} lang={code}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
      </Fields>
    </Section>
  );
}
