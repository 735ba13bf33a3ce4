// SPDX-License-Identifier: Apache-2.0
// What is declared to run, how far it is so, and the form by which that is changed.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call, messageOf } from "../api";
import { State } from "../facts";
import { type Column, Confirm, Dialog, Ends, LoadedPage, Mark, Problem, Table } from "../parts";
import { type Document, Property, type Schema, kindOf } from "../form";
import { tell, useAction, useData, usePoll } from "../use";

interface Declared {
  name: string;
  file: string;
  etag: string;
  enabled: boolean;
  image: string;
  problem: string | null;
  asDeclared?: boolean;
  doing?: string;
  reason?: string;
  notes?: string[];
  container?: { id: string; state: string };
  declaration: Document;
}

interface List {
  containers: Declared[];
  leaving: { name: string; reason?: string }[];
  problems: string[];
}

interface Change {
  name: string;
  change: string;
  notes: string[];
}

const FIRST = ["name", "image", "enabled", "restart", "command", "environment", "ports", "volumes", "networkMode", "memory", "cpus", "dependsOn"];
const WORDS: Record<string, string> = {
  create: "A container is made.",
  none: "Nothing changes.",
  keep: "The declaration changes; the container stays as it is.",
  note: "The declaration changes; it is not enabled, and has no container.",
  update: "The container's limits change while it runs.",
  recreate: "The container is replaced: what it has written into its own files is lost.",
  disable: "The container is stopped and removed: what it has written into its own files is lost.",
  enable: "A container is made.",
};

const pathOf = (name: string) => `/kedge/v1/containers/${encodeURIComponent(name)}`;

/** `field "ports[0]": ...` is of "ports". */
function fieldOf(problem: string): string {
  return /field "([A-Za-z]+)/.exec(problem)?.[1] ?? /^([A-Za-z]+)[[.:]/.exec(problem)?.[1] ?? "";
}

function Fields(props: { schema: Schema; document: Document; problem: string; isNew: boolean; change: (document: Document) => void }) {
  const [search, setSearch] = useState("");
  const all = Object.entries(props.schema.properties ?? {});
  const wrong = fieldOf(props.problem);
  const one = ([name, schema]: [string, Schema]) => (
    <Property
      key={name}
      name={name}
      schema={schema}
      value={props.document[name]}
      isRequired={name === "image" || name === "name"}
      isFixed={name === "name" && !props.isNew}
      problem={wrong === name ? props.problem : undefined}
      change={(value) => {
        const next = { ...props.document, [name]: value };
        if (value === undefined) delete next[name];
        props.change(next);
      }}
    />
  );
  const others = all.filter(([name, schema]) => !FIRST.includes(name) && `${name} ${schema.description}`.toLowerCase().includes(search.toLowerCase()));
  return (
    <>
      {FIRST.flatMap((name) => all.filter(([key]) => key === name)).map(one)}
      <details open={search !== "" || others.some(([name]) => name === wrong)}>
        <summary>All other options</summary>
        <input type="search" aria-label="Search the options" placeholder="Search the options" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        {others.filter(([, schema]) => kindOf(schema) !== "part").map(one)}
        {others.filter(([, schema]) => kindOf(schema) === "part").map(one)}
      </details>
    </>
  );
}

function Form(props: { before?: Declared; close: () => void; done: () => void }) {
  const [schema, setSchema] = useState<Schema>();
  const [document, setDocument] = useState<Document>(props.before?.declaration ?? {});
  const [problem, setProblem] = useState("");
  const [change, setChange] = useState<Change>();
  const [busy, act] = useAction();
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => void import("../schema").then((module) => setSchema(module.schema)), []);

  const name = String(document.name ?? "");
  const headers: Record<string, string> = props.before ? { "If-Match": `"${props.before.etag}"` } : { "If-None-Match": "*" };
  const ask = (query: string) => ({ method: "PUT", body: document, headers, path: `${pathOf(name)}${query}` });
  useEffect(() => {
    if (!name || !document.image) return undefined;
    const ends = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const { path, ...rest } = ask("?dry-run=1");
        const said = await call<{ changes: Change[] }>(path, { ...rest, signal: ends.signal });
        setChange(said.changes[0]);
        setProblem("");
      } catch (error) {
        if (ends.signal.aborted) return;
        setChange(undefined);
        setProblem(messageOf(error));
      }
    }, 300);
    return () => {
      clearTimeout(timer);
      ends.abort();
    };
  }, [document]);

  const save = async (event: SubmitEvent) => {
    event.preventDefault();
    const { path, ...rest } = ask("");
    setProblem("");
    try {
      await call(path, rest);
      tell(`${name} was ${props.before ? "changed" : "declared"}`);
      props.close();
      props.done();
    } catch (error) {
      setProblem(error instanceof ApiError && error.status === 412 ? "Somebody else has changed it meanwhile: close this and begin again" : messageOf(error));
    }
  };
  return (
    <Dialog title={props.before ? `Edit ${props.before.name}` : "Declare a container"} close={props.close} isWide>
      <form ref={form} class="declare" onSubmit={(event) => void act("save", () => save(event))}>
        <div class="fields">{schema ? <Fields schema={schema} document={document} problem={problem} isNew={!props.before} change={setDocument} /> : <p class="quiet">Loading…</p>}</div>
        <div class="foot">
          {problem && <Problem text={problem} />}
          <p role="status">{change && (WORDS[change.change] ?? change.change)} {change?.notes.join(" ")}</p>
          <Ends close={props.close} verb={props.before ? "Change" : "Declare"} isBusy={busy !== undefined || problem !== "" || !name || !document.image} />
        </div>
      </form>
    </Dialog>
  );
}

function columns(edit: (row: Declared) => void, leave: (row: Declared) => void, toggle: (row: Declared) => void): Column<Declared>[] {
  return [
    { name: "Name", by: (row) => row.name, class: "title", cell: (row) => (row.container ? <a href={`#/containers/${encodeURIComponent(row.name)}`}>{row.name}</a> : row.name) },
    { name: "Image", by: (row) => row.image, class: "long", cell: (row) => row.image },
    {
      name: "As declared",
      by: (row) => String(row.asDeclared),
      cell: (row) => (row.asDeclared ? <Mark kind="good">{row.enabled ? "yes" : "off"}</Mark> : <Mark kind={row.problem ? "bad" : "wait"}>{row.doing === "nothing" ? "not yet" : row.doing}</Mark>),
    },
    { name: "State", cell: (row) => (row.container ? <State state={row.container.state} /> : <span class="quiet">–</span>) },
    { name: "Why", class: "long", cell: (row) => [row.problem, row.reason, ...(row.notes ?? [])].filter(Boolean).map((text) => <div>{text}</div>) },
    {
      name: "Actions",
      class: "actions",
      cell: (row) => (
        <div class="row steps">
          <button aria-label={`Edit ${row.name}`} onClick={() => edit(row)}>
            Edit
          </button>
          <button aria-label={`${row.enabled ? "Switch off" : "Switch on"} ${row.name}`} onClick={() => toggle(row)}>
            {row.enabled ? "Off" : "On"}
          </button>
          <button class="danger" aria-label={`Delete ${row.name}`} onClick={() => leave(row)}>
            Delete
          </button>
        </div>
      ),
    },
  ];
}

const match = (row: Declared) => ({ "If-Match": `"${row.etag}"` });

function Leave(props: { row: Declared; close: () => void; after: () => void }) {
  const { row } = props;
  return (
    <Confirm
      title={`Delete the declaration ${row.name}?`}
      verb="Delete"
      work={() => call(pathOf(row.name), { method: "DELETE", headers: match(row) })}
      told={`${row.name} is not declared any more`}
      close={props.close}
      after={props.after}
    >
      <p>Its container is stopped and deleted with all that it has written into its own files. Volumes with a name and directories of the device stay. Configuration snapshots still have the declaration.</p>
    </Confirm>
  );
}

const isUnderWay = (list: List) => list.leaving.length > 0 || list.containers.some((row) => !row.asDeclared && !row.problem);

export function DeclaredPage() {
  const loaded = useData(() => call<List>("/kedge/v1/containers"), ["container", "image", "declaration", "daemon"]);
  const { data, reload } = loaded;
  usePoll(reload, data !== undefined && isUnderWay(data));
  const [form, setForm] = useState<{ before?: Declared }>();
  const [leaving, setLeaving] = useState<Declared>();
  const [, act] = useAction();
  const toggle = async (row: Declared) => {
    await act("toggle", () => call(pathOf(row.name), { method: "PATCH", body: { enabled: !row.enabled }, headers: match(row) }), `${row.name} is switched ${row.enabled ? "off: its container goes" : "on"}`);
    reload();
  };
  return (
    <LoadedPage
      title="Declared"
      intro="What is declared here is kept running by kedge, after crashes and power cuts too."
      actions={
        <button class="first" onClick={() => setForm({})}>
          Declare…
        </button>
      }
      loaded={loaded}
      dialogs={
        <>
          {form && <Form before={form.before} close={() => setForm(undefined)} done={reload} />}
          {leaving && <Leave row={leaving} close={() => setLeaving(undefined)} after={reload} />}
        </>
      }
    >
      {(list) => (
        <>
          {list.problems.map((text) => (
            <Problem text={text} />
          ))}
          <Table label="Declared containers" rows={list.containers} columns={columns((before) => setForm({ before }), setLeaving, toggle)} id={(row) => row.name} empty="Nothing is declared yet." />
          {list.leaving.map((one) => (
            <p class="quiet">
              {one.name} goes. {one.reason}
            </p>
          ))}
        </>
      )}
    </LoadedPage>
  );
}
