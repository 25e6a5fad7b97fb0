import { useQuery } from "@tanstack/react-query";
import { data } from "../api/client";
import { useServices } from "../services";

/** A memory as it is now. */
export function useMemory(id: string) {
  const { api } = useServices();
  return useQuery({
    queryKey: ["memory", id, "cited"],
    queryFn: () => data(api.GET("/v1/memories/{memoryId}", { params: { path: { memoryId: id } } })),
  });
}
