// SPDX-License-Identifier: Apache-2.0
// Another engine on this device, and its containers: kedge shows, starts, stops and deletes them; the rest is that engine's.
import { useEffect } from "preact/hooks";
import { call, remove } from "./api";
import { listen } from "./events";
import { Confirm, Mark, Problem } from "./parts";
import { type Loaded, useConnection, useLoad, usePoll } from "./use";

const PATH = "/kedge/v1/engine";

export interface Engine {
  url: string | null;
  state: "none" | "connecting" | "connected";
  problem: string | null;
  engine: string | null; // "docker", "podman"
  version: string | null;
}

export interface External {
  id: string;
  name: string;
  image: string;
  imageId: string;
  digests: string[];
  state: string;
  status: string;
  health: string | null;
  ports: { ip?: string | null; privatePort: number; publicPort?: number | null; type: string }[];
  created: number;
  allowed: boolean;
  reason: string | null;
}

export interface Engines {
  engine: Engine;
  containers: External[];
}

export const pathOf = (row: External) => `${PATH}/containers/${row.id}`;

/** What the engine is called, also while nobody knows which one it is. */
export const titleOf = (engine: Engine) => engine.engine ?? "another engine";

const ask = () => call<Engine>(PATH);

async function askAll(): Promise<Engines> {
  const engine = await ask();
  return engine.url ? call<Engines>(`${PATH}/containers`) : { engine, containers: [] };
}

export const PAUSE_MS = 2000; // each time the engine itself is asked

/** Asked once where no engine is set. Where one is, no event tells what it does: it is asked as long as somebody looks. */
function useAsked<T>(load: () => Promise<T>, isSet: (data: T) => boolean): Loaded<T> {
  const loaded = useLoad(load);
  const { data, problem, reload } = loaded;
  const connection = useConnection();
  useEffect(() => {
    if (connection === "ok" && (data || problem)) reload(); // another kedged may be there by now
  }, [connection]);
  useEffect(() => listen((event) => event?.Type === "daemon" && reload()), [reload]);
  usePoll(reload, data !== undefined && isSet(data), PAUSE_MS);
  return loaded;
}

export const useEngine = () => useAsked(ask, ({ url }) => url !== null);
export const useEngines = () => useAsked(askAll, ({ engine }) => engine.url !== null);

/** What is wrong with it; nothing where it is as it should be. */
export function Trouble(props: { loaded: Loaded<Engines> }) {
  const engine = props.loaded.data?.engine;
  if (props.loaded.problem) return <Problem text={`What another engine has is not known: ${props.loaded.problem}`} />;
  if (!engine?.url) return null;
  if (engine.problem) return <Problem text={`The engine at ${engine.url} ${engine.state === "connected" ? "is not as it should be" : "cannot be reached"}: ${engine.problem}`} />;
  return engine.state === "connected" ? null : <p class="quiet">The engine at {engine.url} is being asked…</p>;
}

/** How it is with the engine that is set, beside the field that sets it. */
export function EngineState() {
  const { data, problem } = useEngine();
  if (problem) return <Problem text={problem} />;
  if (!data?.url) return null;
  const isThere = data.state === "connected";
  return (
    <p role="status">
      <Mark kind={data.problem ? "bad" : isThere ? "good" : "wait"}>{isThere ? data.state : "not connected"}</Mark> <code>{data.url}</code>
      {isThere && `: ${titleOf(data)} ${data.version ?? ""}`}
      {data.problem && `: ${data.problem}`}
    </p>
  );
}

export function DeleteExternal(props: { row: External; manager: string; close: () => void; done: () => void }) {
  const { row, manager } = props;
  return (
    <Confirm title={`Delete ${row.name} of ${manager}?`} verb="Delete" work={() => remove(`${pathOf(row)}?force=true`)} told={`${row.name} of ${manager} was deleted`} close={props.close} after={props.done}>
      <p>This is lost for good:</p>
      <ul>
        {["running", "paused", "restarting"].includes(row.state) && <li>the container runs, and is killed</li>}
        <li>what it has written into its own files</li>
        <li>its log</li>
      </ul>
      <p>Its volumes stay with {manager}.</p>
    </Confirm>
  );
}
