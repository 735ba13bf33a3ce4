// SPDX-License-Identifier: Apache-2.0
// What happens on the device, once for all of the page: each part says what it is interested in. A page that nobody looks at listens to nothing.
import { connectionState, documents, watchConnection } from "./api";

export interface Happening {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  time: number;
  timeNano: number;
}

type Listener = (event: Happening | null) => void; // null: something may have been missed

const listeners = new Set<Listener>();
let current: AbortController | undefined;
let again: ReturnType<typeof setTimeout> | undefined;

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  follow();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) stop();
  };
}

function tell(event: Happening | null) {
  for (const listener of [...listeners]) listener(event);
}

function stop() {
  current?.abort();
  current = undefined;
  clearTimeout(again);
}

async function follow() {
  if (current || document.hidden || connectionState() !== "ok" || listeners.size === 0) return;
  const own = (current = new AbortController());
  let begun = false;
  try {
    await documents<Happening>("/events", { signal: own.signal }, tell, () => {
      begun = true;
      tell(null); // what happened since it was loaded, by whatever clock
    });
  } catch {
    // the connection's state tells it
  }
  if (current !== own) return;
  current = undefined;
  clearTimeout(again);
  again = setTimeout(follow, begun ? 200 : 1000);
}

watchConnection(() => {
  if (connectionState() === "ok") follow();
  else stop();
});
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : follow()));
