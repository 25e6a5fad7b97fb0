/** One memory at an address of its own: where citations lead. */

import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useLocation, useParams } from "wouter";
import { data } from "../api/client";
import { Page } from "../layout/page";
import { useServices } from "../services";
import { Failure } from "../ui/failure";
import { Loading } from "../ui/loading";
import { useDelete } from "./actions";
import { KEYS } from "./cache";
import { MemoryCard } from "./memory-card";

export default function MemoryPage() {
  const { t } = useTranslation();
  const { api } = useServices();
  const { memory: id = "" } = useParams();
  const [, navigate] = useLocation();
  const remove = useDelete();
  const {
    data: memory,
    error,
    isPending,
    refetch,
  } = useQuery({
    queryKey: KEYS.one(id),
    queryFn: ({ signal }) =>
      data(api.GET("/v1/memories/{memoryId}", { params: { path: { memoryId: id } }, signal })),
  });
  return (
    <Page title={t("memories.one")} actions={<Link href="/">{t("notFound.home")}</Link>}>
      {isPending && <Loading />}
      {error && <Failure error={error} retry={() => void refetch()} />}
      {memory && (
        <MemoryCard
          memory={memory}
          selected={false}
          selecting={false}
          onDelete={() => {
            remove([memory]);
            navigate("/");
          }}
        />
      )}
    </Page>
  );
}
