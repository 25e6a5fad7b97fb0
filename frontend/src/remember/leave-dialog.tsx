import { useTranslation } from "react-i18next";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";

interface LeaveDialogProps {
  /** How many memories wait. */
  count: number;
  onStay: () => void;
  /** Leave, and find it again when signing in here. */
  onKeep: () => void;
  onForget: () => void;
}

/** Asks what becomes of what is on this device only. */
export default function LeaveDialog({ count, onStay, onKeep, onForget }: LeaveDialogProps) {
  const { t } = useTranslation();
  return (
    <Dialog
      open
      onClose={onStay}
      title={t("remember.leaveTitle")}
      description={t("remember.leaveText", { count })}
      actions={
        <>
          <Button onClick={onStay}>{t("remember.leaveStay")}</Button>
          <Button onClick={onKeep}>{t("remember.leaveKeep")}</Button>
          <Button look="danger" onClick={onForget}>
            {t("remember.leaveForget")}
          </Button>
        </>
      }
    />
  );
}
