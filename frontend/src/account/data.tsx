/** Everything out, and everything away. */

import { useState } from "react";
import type { Schema } from "../api/client";
import { DeleteAccount } from "./delete-account";
import { Export } from "./export";
import { Receipt } from "./receipt";

export default function Data() {
  const [receipt, setReceipt] = useState<Schema["Receipt"] | null>(null);
  if (receipt) return <Receipt first={receipt} />;
  return (
    <>
      <Export />
      <DeleteAccount onDeleted={setReceipt} />
    </>
  );
}
