import { useTranslation } from "react-i18next";
import { Dialog } from "../ui/dialog";
import { ConversationList } from "./conversation-list";

interface ListDialogProps {
  place: string;
  onClose: () => void;
}

/** All conversations over the one that is open, where there is no room beside it. */
export default function ListDialog({ place, onClose }: ListDialogProps) {
  const { t } = useTranslation();
  return (
    <Dialog open onClose={onClose} title={t("chat.conversations")}>
      <ConversationList open={place} onChoose={onClose} />
    </Dialog>
  );
}
