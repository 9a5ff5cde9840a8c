// The published conformance suite, as somebody who has the server's token. It has no way to give one, so `fetch` does.
import { runConformanceTests } from "@durable-streams/server-conformance-tests"

const { CONFORMANCE_URL: baseUrl, CONFORMANCE_TOKEN: token } = process.env
if (!baseUrl || !token) throw new Error("CONFORMANCE_URL and CONFORMANCE_TOKEN say which server, and how to get in")

const plain = globalThis.fetch
globalThis.fetch = (input, init = {}) => {
  const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined))
  headers.set("Authorization", `token ${token}`)
  return plain(input, { ...init, headers })
}

// How long the suite's own tests of long polls may take; the server's are shorter.
runConformanceTests({ baseUrl, longPollTimeoutMs: 60_000 })
