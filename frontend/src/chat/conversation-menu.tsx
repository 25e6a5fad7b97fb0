import { Menu } from "@base-ui/react/menu";
import { EllipsisVertical } from "lucide-react";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import styles from "./chat-page.module.css";

interface ConversationMenuProps {
  onRename: () => void;
  onDelete: () => void;
}

/** What can be done with the conversation that is open; opens with its first press. */
export default function ConversationMenu({ onRename, onDelete }: ConversationMenuProps) {
  const { t } = useTranslation();
  const trigger = useRef<HTMLButtonElement>(null);
  const pressed = useRef(false);
  useEffect(() => {
    // A press, and not `defaultOpen`: it chooses the first item, which the keyboard goes on from.
    if (!pressed.current) trigger.current?.click();
    pressed.current = true;
  }, []);
  return (
    <Menu.Root>
      <Menu.Trigger
        ref={trigger}
        className={styles["icon"]}
        aria-label={t("chat.menu")}
        title={t("chat.menu")}
      >
        <EllipsisVertical size={20} aria-hidden />
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner align="end" sideOffset={4} className={styles["positioner"]}>
          <Menu.Popup className={styles["menu"]}>
            <Menu.Item className={styles["menuItem"]} onClick={onRename}>
              {t("chat.rename")}
            </Menu.Item>
            <Menu.Item className={styles["menuItem"]} onClick={onDelete}>
              {t("chat.delete")}
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
