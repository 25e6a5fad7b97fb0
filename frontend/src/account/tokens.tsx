/** Personal access tokens: made once, shown once, revoked by name. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Copy } from "lucide-react";
import { useRef, useState, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { data, type Schema } from "../api/client";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Failure } from "../ui/failure";
import { Field } from "../ui/field";
import { Loading } from "../ui/loading";
import { Notice } from "../ui/notice";
import { toast } from "../ui/toasts";
import styles from "./access.module.css";
import { Fields, Section } from "./section";

type Token = Schema["TokenView"];
type Scope = Schema["TokenScope"];

/** All scopes, and the name of each in our texts. */
const SCOPES = { "memories:read": "read", "memories:write": "write", chat: "chat" } as const satisfies Record<
  Scope,
  string
>;
const ALL_SCOPES = Object.keys(SCOPES) as Scope[];
const DAYS = [7, 30, 90, 365];
const TOKENS = ["tokens"];

export function Tokens() {
  const { t } = useTranslation();
  const { api } = useServices();
  const [made, setMade] = useState<Schema["TokenCreated"] | null>(null);
  const {
    data: tokens,
    error,
    isPending,
    refetch,
  } = useQuery({
    queryKey: TOKENS,
    queryFn: () => data(api.GET("/v1/account/tokens")),
  });
  return (
    <Section title={t("account.tokens.title")} text={t("account.tokens.text")}>
      {made && <Secret token={made.token} done={() => setMade(null)} />}
      {isPending && <Loading />}
      {error && <Failure error={error} retry={() => void refetch()} />}
      {tokens?.items.length === 0 && <p>{t("account.tokens.none")}</p>}
      <ul className={styles["tokens"]}>
        {tokens?.items.map((token) => (
          <TokenRow key={token.id} token={token} />
        ))}
      </ul>
      <NewToken onMade={setMade} />
    </Section>
  );
}

function TokenRow({ token }: { token: Token }) {
  const { t, i18n } = useTranslation();
  const [asking, setAsking] = useState(false);
  const { api } = useServices();
  const queries = useQueryClient();
  const day = new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium" });
  const revoke = useMutation({
    mutationFn: () => api.DELETE("/v1/account/tokens/{tokenId}", { params: { path: { tokenId: token.id } } }),
    onSuccess: () => {
      setAsking(false);
      toast({ title: t("account.tokens.revoked", { name: token.name }) });
      return queries.invalidateQueries({ queryKey: TOKENS });
    },
  });
  return (
    <li className={styles["token"]}>
      <div>
        <div className={styles["name"]}>{token.name}</div>
        <p>{token.scopes.map((scope) => t(`account.tokens.scopes.${SCOPES[scope]}`)).join(", ")}</p>
        <p>
          {t("account.tokens.until", { day: day.format(new Date(token.expiresAt)) })}
          {" · "}
          {token.lastUsedOn === null
            ? t("account.tokens.neverUsed")
            : t("account.tokens.lastUsed", { day: day.format(new Date(token.lastUsedOn)) })}
        </p>
      </div>
      <Button
        small
        look="danger"
        aria-label={t("account.tokens.revokeNamed", { name: token.name })}
        onClick={() => setAsking(true)}
      >
        {t("account.tokens.revoke")}
      </Button>
      <Dialog
        open={asking}
        onClose={() => setAsking(false)}
        title={t("account.tokens.revokeNamed", { name: token.name })}
        description={t("account.tokens.revokeText")}
        actions={
          <>
            <Button onClick={() => setAsking(false)}>{t("common.cancel")}</Button>
            <Button look="danger" busy={revoke.isPending} onClick={() => revoke.mutate()}>
              {t("account.tokens.revoke")}
            </Button>
          </>
        }
      >
        {revoke.error && <Failure error={revoke.error} />}
      </Dialog>
    </li>
  );
}

function Secret({ token, done }: { token: string; done: () => void }) {
  const { t } = useTranslation();
  const field = useRef<HTMLInputElement>(null);
  const copy = async () => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(token);
      toast({ title: t("account.tokens.copied") });
    } catch {
      // Without a right to the clipboard the text stays selected, for Ctrl+C.
      toast({ title: t("account.tokens.copyByHand") });
    }
  };
  return (
    <Notice
      kind="success"
      title={t("account.tokens.made")}
      actions={
        <>
          <Button small look="primary" icon={<Copy size={16} aria-hidden />} onClick={copy}>
            {t("account.tokens.copy")}
          </Button>
          <Button small onClick={done}>
            {t("account.tokens.kept")}
          </Button>
        </>
      }
    >
      <p>{t("account.tokens.once")}</p>
      <input
        ref={field}
        readOnly
        className={styles["secret"]}
        aria-label={t("account.tokens.secret")}
        value={token}
        onFocus={(event) => event.target.select()}
      />
    </Notice>
  );
}

function NewToken({ onMade }: { onMade: (token: Schema["TokenCreated"]) => void }) {
  const { t } = useTranslation();
  const { api } = useServices();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["memories:read"]);
  const [days, setDays] = useState(90);
  const create = useMutation({
    mutationFn: () =>
      data(api.POST("/v1/account/tokens", { body: { name: name.trim(), scopes: [...scopes], days } })),
    onSuccess: (token) => {
      onMade(token);
      setName("");
      return queries.invalidateQueries({ queryKey: TOKENS });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    create.mutate();
  };
  const choose = (scope: Scope, chosen: boolean) =>
    setScopes((before) => ALL_SCOPES.filter((other) => (other === scope ? chosen : before.includes(other))));
  return (
    <form onSubmit={submit} className={styles["form"]}>
      <h3>{t("account.tokens.new")}</h3>
      <Fields>
        <Field label={t("account.tokens.name")} hint={t("account.tokens.nameHint")}>
          {(control) => (
            <input
              {...control}
              required
              maxLength={100}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label={t("account.tokens.days")}>
          {(control) => (
            <select {...control} value={days} onChange={(event) => setDays(Number(event.target.value))}>
              {DAYS.map((count) => (
                <option key={count} value={count}>
                  {t("account.tokens.daysCount", { count })}
                </option>
              ))}
            </select>
          )}
        </Field>
      </Fields>
      <fieldset className={styles["scopes"]}>
        <legend>{t("account.tokens.mayDo")}</legend>
        {ALL_SCOPES.map((scope) => (
          <label key={scope} className={styles["scope"]}>
            <input
              type="checkbox"
              checked={scopes.includes(scope)}
              onChange={(event) => choose(scope, event.target.checked)}
            />
            {t(`account.tokens.scopes.${SCOPES[scope]}`)}
          </label>
        ))}
      </fieldset>
      {create.error && <Failure error={create.error} />}
      <div>
        <Button
          type="submit"
          look="primary"
          busy={create.isPending}
          disabled={name.trim() === "" || scopes.length === 0}
        >
          {t("account.tokens.create")}
        </Button>
      </div>
    </form>
  );
}
