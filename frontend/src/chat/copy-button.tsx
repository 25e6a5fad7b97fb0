import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { IconButton } from "../ui/button";
import { toast } from "../ui/toasts";

/** Copies a text, and says so. */
export function CopyButton({ label, text }: { label: string; text: () => string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setCopied(true);
    } catch {
      toast({ title: t("chat.copyFailed"), kind: "danger" });
    }
  };
  return (
    <>
      <IconButton label={label} onClick={copy} onBlur={() => setCopied(false)}>
        {copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
      </IconButton>
      <span role="status" className="visually-hidden">
        {copied && t("chat.copied")}
      </span>
    </>
  );
}
