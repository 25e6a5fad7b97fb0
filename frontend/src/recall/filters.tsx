import { useTranslation } from "react-i18next";
import type { Filter } from "../memories/cache";
import { useCounts } from "../memories/queries";
import { Button } from "../ui/button";
import { SOURCES } from "./address";
import styles from "./filters.module.css";

/** As many tags as are offered at first. */
const OFFERED = 24;

interface FiltersProps {
  filter: Filter;
  onFilter: (filter: Filter) => void;
}

/** Which memories to look at: by tag, pin, source, days. */
export default function Filters({ filter, onFilter }: FiltersProps) {
  const { t } = useTranslation();
  const { data: counts } = useCounts();
  const byTag = counts?.byTag ?? {};
  const tags = [...new Set([...filter.tags, ...Object.keys(byTag).slice(0, OFFERED)])];
  const toggle = (tag: string) =>
    onFilter({
      ...filter,
      tags: filter.tags.includes(tag) ? filter.tags.filter((other) => other !== tag) : [...filter.tags, tag],
    });
  return (
    <div role="group" aria-label={t("recall.filters")} className={styles["filters"]}>
      {tags.length > 0 && (
        <fieldset className={styles["tags"]}>
          <legend>{t("remember.tags")}</legend>
          {tags.map((tag) => (
            <Button
              key={tag}
              small
              className={styles["tag"]}
              aria-pressed={filter.tags.includes(tag)}
              onClick={() => toggle(tag)}
            >
              #{tag} <span className={styles["count"]}>{byTag[tag] ?? 0}</span>
            </Button>
          ))}
        </fieldset>
      )}
      <label className={styles["field"]}>
        {t("recall.source")}
        <select
          value={filter.source ?? ""}
          onChange={(event) =>
            onFilter({ ...filter, source: SOURCES.find((source) => source === event.target.value) ?? null })
          }
        >
          <option value="">{t("recall.anySource")}</option>
          {SOURCES.map((source) => (
            <option key={source} value={source}>
              {t(`recall.sources.${source}`)}
            </option>
          ))}
        </select>
      </label>
      <label className={styles["field"]}>
        {t("recall.after")}
        <input
          type="date"
          value={filter.after ?? ""}
          onChange={(event) => onFilter({ ...filter, after: event.target.value || null })}
        />
      </label>
      <label className={styles["field"]}>
        {t("recall.before")}
        <input
          type="date"
          value={filter.before ?? ""}
          onChange={(event) => onFilter({ ...filter, before: event.target.value || null })}
        />
      </label>
      <label className={styles["check"]}>
        <input
          type="checkbox"
          checked={filter.pinned}
          onChange={(event) => onFilter({ ...filter, pinned: event.target.checked })}
        />
        {t("recall.pinned")}
      </label>
    </div>
  );
}
