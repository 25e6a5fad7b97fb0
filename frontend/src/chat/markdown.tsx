/** An answer as Markdown. Raw HTML is left out; images of other places are shown as links: they would tell who looks. */

import { createContext, use, useMemo, useRef, type ComponentProps, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { Cite } from "./cite";
import { citePlugin, placesOf } from "./cite-plugin";
import { CopyButton } from "./copy-button";
import type { Exchange } from "./exchange";
import styles from "./markdown.module.css";

const ADDRESS = /^(?:https?|mailto):/i;
const AnswerContext = createContext<Pick<Exchange, "citations" | "memories">>({
  citations: [],
  memories: null,
});

/** A link's address, or none: only the web and mail are gone to from here. */
function safeAddress(address: string): string {
  return ADDRESS.test(address) ? address : "";
}

function Outside({ href, children }: { href?: string | undefined; children?: ReactNode }) {
  if (href === undefined || href === "") return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

function Image({ src, alt }: ComponentProps<"img">) {
  const { t } = useTranslation();
  const name = alt === undefined || alt === "" ? t("chat.image") : alt;
  return <Outside href={src}>{t("chat.imageLink", { name })}</Outside>;
}

function Code({ children }: ComponentProps<"pre">) {
  const { t } = useTranslation();
  const block = useRef<HTMLPreElement>(null);
  return (
    <div className={styles["code"]}>
      <CopyButton label={t("chat.copyCode")} text={() => block.current?.textContent ?? ""} />
      {/* Long lines scroll: the keyboard has to reach them. */}
      <pre ref={block} tabIndex={0}>
        {children}
      </pre>
    </div>
  );
}

function Table({ children }: ComponentProps<"table">) {
  return (
    <div className={styles["table"]}>
      <table>{children}</table>
    </div>
  );
}

function Marks({ node }: { node?: { properties: Record<string, unknown> } | undefined }) {
  const { citations, memories } = use(AnswerContext);
  const indexes = node?.properties["dataCitations"];
  return (typeof indexes === "string" ? indexes.split(" ") : []).map((index) => {
    const citation = citations[Number(index)];
    if (citation === undefined) return null;
    const memory = memories?.find(({ id }) => id === citation.memoryId);
    return <Cite key={index} citation={citation} {...(memory && { memory })} />;
  });
}

const COMPONENTS: Components = {
  a: ({ href, children }) => <Outside href={href}>{children}</Outside>,
  img: ({ src, alt }) => <Image src={src} alt={alt} />,
  pre: ({ children }) => <Code>{children}</Code>,
  table: ({ children }) => <Table>{children}</Table>,
  cite: ({ node }) => <Marks node={node} />,
  // The screen has headings of its own: an answer's are beneath them.
  h1: ({ children }) => <h3>{children}</h3>,
  h2: ({ children }) => <h4>{children}</h4>,
  h3: ({ children }) => <h5>{children}</h5>,
  h4: ({ children }) => <h6>{children}</h6>,
  h5: ({ children }) => <h6>{children}</h6>,
};

type MarkdownProps = Pick<Exchange, "answer" | "citations" | "memories">;

export default function Markdown({ answer, citations, memories }: MarkdownProps) {
  const plugins = useMemo(() => [remarkGfm, citePlugin(placesOf(answer, citations))], [answer, citations]);
  const context = useMemo(() => ({ citations, memories }), [citations, memories]);
  return (
    <AnswerContext value={context}>
      <div className={styles["markdown"]}>
        <ReactMarkdown remarkPlugins={plugins} components={COMPONENTS} urlTransform={safeAddress} skipHtml>
          {answer}
        </ReactMarkdown>
      </div>
    </AnswerContext>
  );
}
