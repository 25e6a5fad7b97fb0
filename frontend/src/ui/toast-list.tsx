import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import styles from "./toasts.module.css";
import { takeToasts, useToldCount } from "./toasts";

const SHORT = 5_000;
const LONG = 10_000;

/** The messages, and where they appear. */
export default function ToastList() {
  return (
    <Toast.Provider limit={3}>
      <Taken />
      <Toast.Portal>
        <Toast.Viewport className={styles["viewport"]}>
          <Messages />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

/** Takes what is told. */
function Taken() {
  const count = useToldCount();
  const { add, close } = Toast.useToastManager();
  useEffect(() => {
    if (count === 0) return;
    for (const { title, description, kind = "info", action, lasting } of takeToasts()) {
      const id = add({
        title,
        description,
        type: kind,
        timeout: lasting === true ? 0 : action ? LONG : SHORT,
        priority: kind === "danger" ? "high" : "low",
        ...(action && {
          actionProps: {
            children: action.label,
            onClick: () => {
              close(id);
              action.run();
            },
          },
        }),
      });
    }
  }, [count, add, close]);
  return null;
}

function Messages() {
  const { t } = useTranslation();
  const { toasts } = Toast.useToastManager();
  return toasts.map((message) => (
    <Toast.Root
      key={message.id}
      toast={message}
      className={`${styles["toast"]} ${styles[message.type ?? "info"]}`}
    >
      <Toast.Content className={styles["content"]}>
        <div className={styles["text"]}>
          <Toast.Title className={styles["title"]} />
          <Toast.Description />
        </div>
        <Toast.Action className={styles["action"]} />
        <Toast.Close className={styles["close"]} aria-label={t("common.close")}>
          <X size={16} aria-hidden />
        </Toast.Close>
      </Toast.Content>
    </Toast.Root>
  ));
}
