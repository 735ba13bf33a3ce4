// SPDX-License-Identifier: Apache-2.0
// Requests to kedged: JSON in and out, answers that last as they come, and whether anybody is there at all.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** What the login gave: sent along with whatever changes something, so that no other site's page can. */
let guard = "";
export function setGuard(token: string) {
  guard = token;
}

const watchers = new Set<() => void>();
let lost = false;
let locked = false;

/** "lost": nobody answers; "locked": somebody has to log in first. */
export function connectionState(): "ok" | "lost" | "locked" {
  return locked ? "locked" : lost ? "lost" : "ok";
}

export function watchConnection(call: () => void): () => void {
  watchers.add(call);
  return () => watchers.delete(call);
}

function setState(nowLost: boolean, nowLocked: boolean) {
  if (lost === nowLost && locked === nowLocked) return;
  lost = nowLost;
  locked = nowLocked;
  watchers.forEach((call) => call());
  if (lost) setTimeout(probe, 1000);
}

async function probe() {
  try {
    await fetch("/_ping", { cache: "no-store" });
    setState(false, locked);
  } catch {
    setTimeout(probe, 1000);
  }
}

export function unlock() {
  setState(lost, false);
}

export function lock() {
  setState(lost, true);
}

export interface Ask {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

async function send(path: string, ask: Ask): Promise<Response> {
  const headers: Record<string, string> = { ...ask.headers };
  const method = ask.method ?? "GET";
  if (guard && method !== "GET") headers["Kedge-Guard"] = guard;
  if (ask.body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const answer = await fetch(path, {
      method,
      headers,
      signal: ask.signal,
      cache: "no-store",
      credentials: "same-origin",
      body: ask.body === undefined ? undefined : JSON.stringify(ask.body),
    });
    setState(false, locked);
    return answer;
  } catch (error) {
    if (!isAbort(error)) setState(true, locked);
    throw isAbort(error) ? error : new ApiError(0, "There is no connection to kedge");
  }
}

async function refuse(answer: Response): Promise<never> {
  const text = await answer.text();
  let said: { message?: string; hint?: string } = {};
  try {
    said = JSON.parse(text) as typeof said;
  } catch {
    said = { message: text };
  }
  if (answer.status === 401 && !answer.url.endsWith("/kedge/v1/session")) lock();
  throw new ApiError(answer.status, said.message || `kedge answered with ${answer.status}`, said.hint);
}

/** The whole answer; 304 ("nothing to do") is none to complain about. */
export async function call<T>(path: string, ask: Ask = {}): Promise<T> {
  const answer = await send(path, ask);
  if (answer.status >= 400) return refuse(answer);
  const text = await answer.text();
  return (text && answer.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : text) as T;
}

export function post<T = unknown>(path: string, body?: unknown): Promise<T> {
  return call<T>(path, { method: "POST", body });
}

export function remove(path: string): Promise<unknown> {
  return call(path, { method: "DELETE" });
}

/** An answer that lasts, piece by piece; returns when it has ended. */
export async function stream(path: string, ask: Ask, piece: (bytes: Uint8Array) => void, begun?: () => void) {
  const answer = await send(path, ask);
  if (answer.status >= 400) return refuse(answer);
  begun?.();
  const reader = answer.body!.getReader();
  for (;;) {
    let next;
    try {
      next = await reader.read();
    } catch (error) {
      if (ask.signal?.aborted) throw error;
      setState(true, locked);
      throw new ApiError(0, "The connection to kedge broke off");
    }
    if (next.done) return undefined;
    piece(next.value);
  }
}

/** The same for an answer that is one JSON document after another. */
export function documents<T>(path: string, ask: Ask, each: (document: T) => void, begun?: () => void) {
  const decoder = new TextDecoder();
  let rest = "";
  return stream(
    path,
    ask,
    (bytes) => {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.trim()) each(JSON.parse(line) as T);
    },
    begun,
  );
}

export function messageOf(error: unknown): string {
  if (error instanceof ApiError && error.hint && !error.message.includes(error.hint)) return `${error.message}: ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
}
