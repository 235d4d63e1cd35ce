// A key from creation to deletion, by a client that is generated from the OpenAPI document.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

function needed<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(what);
  return value;
}

async function main(baseUrl: string, secret: string): Promise<void> {
  const client = createClient<paths>({
    baseUrl,
    headers: { Authorization: `Bearer ${secret}` },
  });

  const created = await client.POST("/api/v2/api-keys", {
    params: { header: { "Idempotency-Key": "from-typescript" } },
    body: { name: "made by a client", scopes: ["read"], reason: "To try it" },
  });
  if (created.response.status !== 201 || !created.data || !("secret" in created.data)) {
    throw new Error(`not created: ${created.response.status}`);
  }
  const path = { api_key_id: created.data.id };
  const etag = needed(created.response.headers.get("ETag") ?? undefined, "no ETag");

  const tried = await client.POST("/api/v2/api-keys/{api_key_id}/disable", {
    params: { path, query: { dry_run: true } },
  });
  if (!tried.data || !("dry_run" in tried.data) || tried.data.outcome !== "would_succeed") {
    throw new Error("the dry run would not succeed");
  }

  const disabled = await client.POST("/api/v2/api-keys/{api_key_id}/disable", {
    params: { path, header: { "If-Match": etag } },
    body: { reason: "不要" },
  });
  if (!disabled.data || !("state" in disabled.data) || disabled.data.state !== "disabled") {
    throw new Error(`not disabled: ${disabled.response.status}`);
  }

  const late = await client.DELETE("/api/v2/api-keys/{api_key_id}", {
    params: { path, header: { "If-Match": etag } },
  });
  if (late.error?.code !== "precondition_failed") throw new Error("deleted by an old ETag");

  const shown = await client.GET("/api/v2/api-keys/{api_key_id}", { params: { path } });
  if (shown.data?.version !== disabled.data.version) throw new Error("another version");

  const listed = await client.GET("/api/v2/api-keys", {
    params: { query: { limit: 1, fields: "id,name" } },
  });
  if (listed.data?.results[0]?.name !== "made by a client") throw new Error("not listed");

  const deleted = await client.DELETE("/api/v2/api-keys/{api_key_id}", {
    params: { path },
    body: { reason: "Tried" },
  });
  if (!deleted.data || !("state" in deleted.data) || deleted.data.state !== "deleted") {
    throw new Error(`not deleted: ${deleted.response.status}`);
  }
  console.log(deleted.data.state);
}

const [baseUrl, secret] = process.argv.slice(2);
await main(needed(baseUrl, "no URL"), needed(secret, "no secret"));
