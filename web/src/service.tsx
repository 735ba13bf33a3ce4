// SPDX-License-Identifier: Apache-2.0
// The service's own options: what a change of them removes is shown before it is made, and nobody's change is overwritten unseen.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call, messageOf } from "./api";
import type { Engine } from "./external";
import { Await, Confirm, Problem, Table } from "./parts";
import { useData } from "./use";
import { capital, countOf } from "./words";

const PATH = "/kedge/v1/service";

export interface Rule {
  mode?: string;
  allowed?: string[];
}

export interface Service {
  enabled: boolean;
  engine: { url: string };
  enforcement: { enabled: boolean; allowlist: string[]; rules: Record<string, Rule> };
  status: { revision: string; allowed: number; pinned: number; file: string; problem: string | null };
}

/** What is said of them; what is not said stays (RFC 7396: null takes away). */
export interface Change {
  enabled?: boolean;
  engine?: { url: string };
  enforcement?: { enabled?: boolean; allowlist?: string[]; rules?: Record<string, Rule | null> };
}

export interface Removal {
  engine?: string; // another one that has it
  id: string;
  name: string;
  image: string;
  state?: string;
  reason: string;
  removed?: string;
  error?: string;
}

export function useService() {
  return useData(() => call<Service>(PATH), ["daemon", "declaration"]);
}

/** What a change would remove, what of the other engine's it would stop and keep, and why nobody knows what of the other engine's it would do either to. */
export interface Trial {
  removals: Removal[];
  stops: Removal[];
  unknown?: string;
}

/** Whether anything is refused once the change is made: by the list, or by a rule. */
function refuses(base: Service, { enforcement = {} }: Change): boolean {
  const rules = { ...base.enforcement.rules, ...enforcement.rules };
  return (enforcement.enabled ?? base.enforcement.enabled) || Object.values(rules).some((rule) => rule && (rule.mode ?? "deny") === "deny");
}

function unknownOf({ url, state, problem }: Engine): string | undefined {
  return url && (problem || state !== "connected") ? `${url}: ${problem ?? "it has not answered yet"}` : undefined;
}

/** A file that cannot be read is not changed in part: all that holds is written anew. */
function requestOf(base: Service, change: Change): { method: string; body: object } {
  if (!base.status.problem) return { method: "PATCH", body: change };
  const rules = Object.fromEntries(Object.entries({ ...base.enforcement.rules, ...change.enforcement?.rules }).filter(([, rule]) => rule));
  const { enabled, engine } = { ...base, ...change };
  return { method: "PUT", body: { enabled, engine, enforcement: { ...base.enforcement, ...change.enforcement, rules } } };
}

async function wouldRemove(base: Service, change: Change, signal?: AbortSignal): Promise<Trial> {
  const { removals, stops, engine } = await call<{ removals: Removal[]; stops: Removal[]; engine: Engine }>(`${PATH}?dry-run=1`, { ...requestOf(base, change), signal });
  return { removals, stops, unknown: refuses(base, change) ? unknownOf(engine) : undefined };
}

/** "no container", "no container of kedge's", "2 containers" */
export function howMany({ removals, unknown }: Trial): string {
  return removals.length ? countOf(removals.length, "container") : unknown ? "no container of kedge's" : "no container";
}

export function Stops(props: { trial: Trial }) {
  const { stops } = props.trial;
  return stops.length === 0 ? null : (
    <>
      <p>{`${countOf(stops.length, "container")} of the other engine would be stopped, and kept:`}</p>
      <Removals label="What would be stopped" rows={stops} empty="" />
    </>
  );
}

export function Unknown(props: { trial: Trial }) {
  return props.trial.unknown ? <Problem text={`What would be removed or stopped of the other engine is not known. ${props.trial.unknown}`} /> : null;
}

export function Removals(props: { label: string; rows: Removal[]; empty: string }) {
  return (
    <Table
      label={props.label}
      rows={props.rows}
      id={(row) => row.id}
      empty={props.empty}
      columns={[
        { name: "Name", class: "title", cell: (row) => row.name },
        ...(props.rows.some((row) => row.engine) ? [{ name: "Engine", cell: (row: Removal) => row.engine ?? "kedge" }] : []),
        { name: "Image", class: "long", cell: (row) => row.image },
        { name: "Why", class: "long", cell: (row) => [row.reason, row.error].filter(Boolean).join("; ") },
        ...(props.rows.some((row) => row.removed) ? [{ name: "Removed", cell: (row: Removal) => row.removed && <time>{new Date(row.removed).toLocaleString()}</time> }] : []),
      ]}
    />
  );
}

/** What is edited stays as it was typed when somebody else changes it meanwhile: that is told. */
export function Draft(props: { now: Service; reload: () => void; children: (base: Service, take: (service: Service) => void) => ComponentChildren }) {
  const [base, setBase] = useState(props.now);
  const seen = useRef(props.now); // when base was taken
  const take = (service: Service) => {
    seen.current = props.now;
    setBase(service);
    props.reload();
  };
  const isStale = props.now !== seen.current && props.now.status.revision !== base.status.revision;
  return (
    <>
      {isStale && (
        <p class="problem" role="alert">
          The options are others by now.{" "}
          <button type="button" onClick={() => take(props.now)}>
            Show them
          </button>
        </p>
      )}
      {props.now.status.problem && <Problem text={`${props.now.status.file} does not say what holds: ${props.now.status.problem}`} />}
      <div key={base.status.revision}>{props.children(base, take)}</div>
    </>
  );
}

/** What a change would remove, while it is typed. */
export function useTrial(base: Service, change: Change): { trial?: Trial; problem: string } {
  const [tried, setTried] = useState<{ trial?: Trial; problem: string }>({ problem: "" });
  const text = JSON.stringify(change);
  useEffect(() => {
    const ends = new AbortController();
    const timer = setTimeout(
      () =>
        wouldRemove(base, change, ends.signal).then(
          (trial) => setTried({ trial, problem: "" }),
          (error) => ends.signal.aborted || setTried({ problem: messageOf(error) }),
        ),
      300,
    );
    return () => {
      clearTimeout(timer);
      ends.abort();
    };
  }, [text]);
  return tried;
}

/** The question before a change is made. */
export function Apply(props: { title: string; base: Service; change: Change; told: string; close: () => void; done: (service: Service) => void; children?: ComponentChildren }) {
  const tried = useData(() => wouldRemove(props.base, props.change), []);
  const saved = useRef<Service>();
  const save = async () => {
    try {
      saved.current = await call<Service>(PATH, { ...requestOf(props.base, props.change), headers: { "If-Match": `"${props.base.status.revision}"` } });
    } catch (error) {
      throw error instanceof ApiError && error.status === 412 ? new ApiError(412, "Somebody else has changed the options meanwhile: nothing was changed") : error;
    }
  };
  return (
    <Confirm title={props.title} verb="Apply" isWaiting={!tried.data} isSafe={tried.data?.removals.length === 0 && tried.data.stops.length === 0 && !tried.data.unknown} work={save} told={props.told} close={props.close} after={() => props.done(saved.current!)}>
      {props.children}
      <Await data={tried.data} problem={tried.problem}>
        {(trial) => (
          <>
            <p>{trial.removals.length === 0 ? `${capital(howMany(trial))} is removed.` : `${howMany(trial)} would be stopped and deleted, with what was written into their own files:`}</p>
            {trial.removals.length > 0 && <Removals label="What would be removed" rows={trial.removals} empty="" />}
            <Stops trial={trial} />
            <Unknown trial={trial} />
          </>
        )}
      </Await>
    </Confirm>
  );
}

/** One digest a line, or between commas. */
export function entriesOf(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((line) => line.replace(/\s/g, ""))
    .filter(Boolean);
}

export function AllowList(props: { text: string; set: (text: string) => void }) {
  return (
    <div class="field">
      <label for="allowlist">Allow-list</label>
      <textarea id="allowlist" rows={8} spellcheck={false} value={props.text} aria-describedby="allowlist-help" onInput={(event) => props.set(event.currentTarget.value)} />
      <small id="allowlist-help">A digest a line: sha256:…, or name@sha256:…. The page of images has the digests of those that are here.</small>
    </div>
  );
}
