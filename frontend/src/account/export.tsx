import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useServices } from "../services";
import { Button } from "../ui/button";
import { Failure } from "../ui/failure";
import { Notice } from "../ui/notice";
import styles from "./data.module.css";
import { download } from "./download";
import { Section } from "./section";

const FILES = [
  { key: "markdown", path: "/v1/exports/memories?format=markdown", ending: "md", stem: "memories" },
  { key: "lines", path: "/v1/exports/memories?format=ndjson", ending: "ndjson", stem: "memories" },
  { key: "everything", path: "/v1/account/export", ending: "ndjson", stem: "recall" },
] as const;

type File = (typeof FILES)[number];

/** What is kept, as files. */
export function Export() {
  const { t } = useTranslation();
  return (
    <Section title={t("account.export.title")} text={t("account.export.text")}>
      <ul className={styles["files"]}>
        {FILES.map((file) => (
          <ExportFile key={file.key} file={file} />
        ))}
      </ul>
    </Section>
  );
}

function ExportFile({ file }: { file: File }) {
  const { t, i18n } = useTranslation();
  const { fetch, origin } = useServices();
  const [bytes, setBytes] = useState(0);
  const running = useRef<AbortController>(null);
  const size = new Intl.NumberFormat(i18n.language, {
    style: "unit",
    unit: "kilobyte",
    maximumFractionDigits: 0,
  });
  const run = useMutation({
    mutationFn: () => {
      setBytes(0);
      running.current = new AbortController();
      const day = new Date().toISOString().slice(0, 10);
      const name = `${file.stem}-${day}.${file.ending}`;
      return download(fetch, origin + file.path, name, setBytes, running.current.signal);
    },
  });
  const stopped = run.error?.name === "AbortError";
  const amount = size.format(Math.ceil(bytes / 1000));
  return (
    <li className={styles["file"]}>
      <div>
        <h3>{t(`account.export.${file.key}`)}</h3>
        <p>{t(`account.export.${file.key}Text`)}</p>
      </div>
      {run.isPending ? (
        <Button onClick={() => running.current?.abort()}>{t("common.stop")}</Button>
      ) : (
        <Button
          icon={<Download size={18} aria-hidden />}
          aria-label={t("account.export.saveNamed", { name: t(`account.export.${file.key}`) })}
          onClick={() => run.mutate()}
        >
          {t("account.export.save")}
        </Button>
      )}
      <div className={styles["outcome"]} role="status">
        {run.isPending && (
          <>
            <progress aria-label={t("account.export.running", { amount })} />
            <p>{t("account.export.running", { amount })}</p>
          </>
        )}
        {run.data === true && <Notice kind="success">{t("account.export.done", { amount })}</Notice>}
      </div>
      {run.error && !stopped && <Failure error={run.error} />}
    </li>
  );
}
