/** Takes in a file of memories: first shows what would be stored, then stores it. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { FileUp } from "lucide-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import { data, type Schema } from "../api/client";
import { problemOf } from "../api/problems";
import { Page } from "../layout/page";
import { chunks, BATCH } from "../memories/actions";
import { KEYS } from "../memories/cache";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Failure } from "../ui/failure";
import { Notice } from "../ui/notice";
import styles from "./import-page.module.css";

type Format = Schema["ImportFormat"];
type Report = Schema["ImportReport"];

const FORMATS = ["ndjson", "text", "paragraphs", "markdown", "chatgpt", "claude"] as const;

const isChat = (format: Format) => format === "chatgpt" || format === "claude";

/** What a file most likely holds, by its name. */
export function guessed(name: string): Format {
  const lower = name.toLowerCase();
  if (/\.(ndjson|jsonl)$/.test(lower)) return "ndjson";
  if (lower.includes("claude")) return "claude";
  if (lower.includes("chatgpt") || lower.endsWith(".json")) return "chatgpt";
  return /\.(md|markdown|zip)$/.test(lower) ? "markdown" : "text";
}

function useImport() {
  const { origin, fetch } = useServices();
  return async (file: File, format: Format, dryRun: boolean): Promise<Report> => {
    const query = new URLSearchParams({ format, dryRun: String(dryRun) });
    const response = await fetch(`${origin}/v1/imports?${query}`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: file,
    });
    if (!response.ok) throw await problemOf(response);
    return (await response.json()) as Report;
  };
}

export default function ImportPage() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const send = useImport();
  const choose = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | null>(null);
  const [format, setFormat] = useState<Format>("text");
  const preview = useMutation({
    mutationFn: ({ file, format }: { file: File; format: Format }) => send(file, format, true),
  });
  const store = useMutation({
    mutationFn: (file: File) => send(file, format, false),
    onSettled: () => queries.invalidateQueries({ queryKey: KEYS.all }),
  });

  const look = (file: File, format: Format) => {
    setFile(file);
    setFormat(format);
    store.reset();
    preview.mutate({ file, format });
  };
  const take = (files: FileList | null) => {
    const first = files?.[0];
    if (first !== undefined) look(first, guessed(first.name));
  };
  return (
    <Page title={t("import.title")} actions={<Link href="/">{t("notFound.home")}</Link>}>
      <p>{t("import.text")}</p>
      <div
        className={styles["drop"]}
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          take(event.dataTransfer.files);
        }}
      >
        <FileUp aria-hidden />
        <p>{file?.name ?? t("import.drop")}</p>
        <input
          ref={choose}
          type="file"
          className="visually-hidden"
          tabIndex={-1}
          aria-label={t("import.file")}
          onChange={(event) => take(event.target.files)}
        />
        <Button look={file ? "secondary" : "primary"} onClick={() => choose.current?.click()}>
          {t("import.choose")}
        </Button>
      </div>
      <label className={styles["format"]}>
        {t("import.format")}
        <select
          value={format}
          onChange={(event) => {
            const chosen = FORMATS.find((one) => one === event.target.value) ?? "text";
            if (file === null) setFormat(chosen);
            else look(file, chosen);
          }}
        >
          {FORMATS.map((one) => (
            <option key={one} value={one}>
              {t(`import.formats.${one}`)}
            </option>
          ))}
        </select>
      </label>
      <p className={styles["hint"]}>{t(`import.hints.${format}`)}</p>
      {(preview.isPending || store.isPending) && (
        <label className={styles["progress"]}>
          {t(store.isPending ? "import.storing" : "import.reading")}
          <progress />
        </label>
      )}
      {preview.error && <Failure error={preview.error} />}
      {store.error && file && <Failure error={store.error} retry={() => store.mutate(file)} />}
      {store.data ? (
        <Done stored={store.data.stored} duplicates={store.data.duplicates} />
      ) : (
        preview.isSuccess &&
        (isChat(format) ? (
          <Proposals key={file?.name} report={preview.data} />
        ) : (
          <Preview report={preview.data} busy={store.isPending} onStore={() => file && store.mutate(file)} />
        ))
      )}
    </Page>
  );
}

function Done({ stored, duplicates }: { stored: number; duplicates: number }) {
  const { t } = useTranslation();
  return (
    <Notice
      kind="success"
      title={t("import.done", { count: stored })}
      actions={<Link href="/">{t("notFound.home")}</Link>}
    >
      {duplicates > 0 && <p>{t("import.duplicates", { count: duplicates })}</p>}
    </Notice>
  );
}

function Counts({ report }: { report: Report }) {
  const { t } = useTranslation();
  return (
    <>
      {report.duplicates > 0 && <p>{t("import.duplicates", { count: report.duplicates })}</p>}
      {!report.complete && (
        <Notice kind="warning">
          <p>{t("import.tooMany")}</p>
        </Notice>
      )}
      {report.rejected > 0 && (
        <details className={styles["rejects"]}>
          <summary>{t("import.rejected", { count: report.rejected })}</summary>
          <ul>
            {report.rejects.map((reject, index) => (
              <li key={index}>{t("import.line", { line: reject.line, message: reject.message })}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

function Preview({ report, busy, onStore }: { report: Report; busy: boolean; onStore: () => void }) {
  const { t } = useTranslation();
  return (
    <section aria-label={t("import.preview")} className={styles["preview"]}>
      <div role="status">
        <h2>{t("import.found", { count: report.stored })}</h2>
      </div>
      <Counts report={report} />
      {report.samples.length > 0 && (
        <>
          <p className={styles["hint"]}>{t("import.samples")}</p>
          <ul className={styles["samples"]}>
            {report.samples.map((sample, index) => (
              <li key={index} className={styles["sample"]}>
                {sample.text}
              </li>
            ))}
          </ul>
        </>
      )}
      <Button look="primary" busy={busy} disabled={busy || report.stored === 0} onClick={onStore}>
        {t("import.store", { count: report.stored })}
      </Button>
    </section>
  );
}

/** What chats with another assistant say of the user: nothing is stored that is not chosen. */
function Proposals({ report }: { report: Report }) {
  const { t } = useTranslation();
  const { api } = useServices();
  const queries = useQueryClient();
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const [sent, setSent] = useState(0);
  const store = useMutation({
    mutationFn: async () => {
      const proposals = report.samples.filter((_, index) => chosen.has(index));
      let [stored, duplicates] = [0, 0];
      setSent(0);
      for (const part of chunks(proposals, BATCH)) {
        const create = part.map(({ text, tags, occurredAt }) => ({ text, tags, occurredAt }));
        const { created } = await data(
          api.POST("/v1/memories/batch", { body: { create, importedFrom: report.format } }),
        );
        const isNew = created.filter(({ status }) => status === "created").length;
        stored += isNew;
        duplicates += created.length - isNew;
        setSent((before) => before + part.length);
      }
      return { stored, duplicates };
    },
    onSettled: () => queries.invalidateQueries({ queryKey: KEYS.all }),
  });
  if (store.data) return <Done {...store.data} />;
  const toggle = (index: number) => {
    const after = new Set(chosen);
    if (!after.delete(index)) after.add(index);
    setChosen(after);
  };
  const all = chosen.size === report.samples.length;
  return (
    <section aria-label={t("import.preview")} className={styles["preview"]}>
      <div role="status">
        <h2>{t("import.proposals", { count: report.samples.length })}</h2>
      </div>
      <Counts report={report} />
      {report.samples.length > 0 && (
        <>
          <label className={styles["proposal"]}>
            <input
              type="checkbox"
              checked={all}
              onChange={() => setChosen(new Set(all ? [] : report.samples.keys()))}
            />
            {t("import.all")}
          </label>
          <ul className={styles["samples"]}>
            {report.samples.map((sample, index) => (
              <li key={index} className={styles["sample"]}>
                <label className={styles["proposal"]}>
                  <input type="checkbox" checked={chosen.has(index)} onChange={() => toggle(index)} />
                  {sample.text}
                </label>
              </li>
            ))}
          </ul>
          {store.error && <Failure error={store.error} />}
          {store.isPending && (
            <label className={styles["progress"]}>
              {t("import.storing")}
              <progress value={sent} max={chosen.size} />
            </label>
          )}
          <Button
            look="primary"
            busy={store.isPending}
            disabled={store.isPending || chosen.size === 0}
            onClick={() => store.mutate()}
          >
            {t("import.store", { count: chosen.size })}
          </Button>
        </>
      )}
    </section>
  );
}
