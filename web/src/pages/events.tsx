// SPDX-License-Identifier: Apache-2.0
// What has happened in the last hour, and what happens now.
import { useEffect, useState } from "preact/hooks";
import { documents, messageOf } from "../api";
import type { Happening } from "../events";
import { Filter, Page, Problem, Table } from "../parts";
import { useConnection } from "../use";

const KEPT = 1000;

function short(value: string): string {
  return value.replace(/^(?:sha256:)?([0-9a-f]{12})[0-9a-f]{52}$/, "$1");
}

function subject(event: Happening): string {
  return short(event.Actor.Attributes.name ?? event.Actor.ID);
}

function details(event: Happening): string {
  return Object.entries(event.Actor.Attributes)
    .filter(([key]) => !["name"].includes(key) && !key.includes("."))
    .map(([key, value]) => `${key} ${short(value)}`)
    .join(", ");
}

export function Events() {
  const [events, setEvents] = useState<Happening[]>([]);
  const [problem, setProblem] = useState("");
  const [filter, setFilter] = useState("");
  const connection = useConnection();
  useEffect(() => {
    if (connection !== "ok") return undefined;
    const ends = new AbortController();
    setEvents([]);
    setProblem("");
    documents<Happening>(`/events?since=${Math.floor(Date.now() / 1000) - 3600}`, { signal: ends.signal }, (event) => setEvents((all) => [event, ...all].slice(0, KEPT))).catch(
      (error) => ends.signal.aborted || setProblem(messageOf(error)),
    );
    return () => ends.abort();
  }, [connection]);
  const wanted = filter.toLowerCase();
  const rows = events.filter((event) => `${event.Type} ${event.Action} ${subject(event)} ${details(event)}`.toLowerCase().includes(wanted));
  return (
    <Page title="Events" intro="Of the last hour, as far as kedge remembers; new ones come on top." actions={<Filter value={filter} set={setFilter} label="Filter events" />}>
      {problem && <Problem text={problem} />}
      <Table
        label="Events"
        rows={rows}
        id={(event) => `${event.timeNano}-${event.Action}-${event.Actor.ID}`}
        empty={events.length ? "No event is like that." : "Nothing has happened yet."}
        columns={[
          { name: "Time", cell: (event) => <time>{new Date(event.time * 1000).toLocaleTimeString()}</time> },
          { name: "What", class: "title", cell: (event) => `${event.Type} ${event.Action}` },
          { name: "Which", cell: subject },
          { name: "Details", class: "long", cell: details },
        ]}
      />
    </Page>
  );
}
