import { useTranslation } from "react-i18next";
import { Dialog } from "../ui/dialog";
import { toast } from "../ui/toasts";
import { RememberBox } from "./remember-box";

/** The box over any screen. */
export default function RememberDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog open onClose={onClose} title={t("remember.open")}>
      <RememberBox
        id="remember-anywhere"
        autoFocus
        onKept={() => {
          toast({ title: t("remember.kept", { count: 1 }) });
          onClose();
        }}
      />
    </Dialog>
  );
}
