// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { call, post } from "../api";
import { Delete } from "../delete";
import { Trouble, DeleteExternal, type Engine, type External, pathOf, titleOf, useEngines } from "../external";
import { Health, State, digestOf, healthOf, managerOf, nameOf, portsOf } from "../facts";
import { type Column, Digest, Filter, LoadedPage, Mark, Table } from "../parts";
import type { ContainerSummary, ImageSummary } from "../types";
import { useAction, useData } from "../use";
import { splitImage } from "../words";

/** A container of kedge's, or of another engine's. */
interface Row {
  id: string;
  name: string;
  state: string;
  status: string;
  health: string;
  image: string;
  digest: string;
  ports: string[];
  manager: string;
  place?: string; // where its manager is found
  external?: External;
}

function rowOf(container: ContainerSummary, images: Map<string, ImageSummary>): Row {
  return {
    id: container.Id,
    name: nameOf(container),
    state: container.State,
    status: container.Status,
    health: healthOf(container.Status),
    image: container.Image,
    digest: digestOf(images.get(container.ImageID)) ?? container.ImageID,
    ports: portsOf(container.Ports),
    manager: managerOf(container.Labels),
  };
}

function rowOfExternal(external: External, engine: Engine): Row {
  const { id, name, state, status, image } = external;
  const ports = external.ports.map((port) => ({ IP: port.ip ?? "", PrivatePort: port.privatePort, PublicPort: port.publicPort ?? 0, Type: port.type }));
  return {
    id,
    name,
    state,
    status,
    health: external.health ?? "",
    image,
    digest: external.digests.find((digest) => digest !== external.imageId) ?? external.imageId,
    ports: portsOf(ports),
    manager: titleOf(engine),
    place: engine.url ?? undefined,
    external,
  };
}

async function load(): Promise<Row[]> {
  const [containers, images] = await Promise.all([call<ContainerSummary[]>("/containers/json?all=1"), call<ImageSummary[]>("/images/json?all=1")]);
  const byId = new Map(images.map((image) => [image.Id, image]));
  return containers.map((container) => rowOf(container, byId));
}

/** path: where the container is found. */
export function Steps(props: { path: string; name: string; state: string; canUnpause?: boolean; remove: () => void; done?: () => void }) {
  const [busy, act] = useAction();
  const isPaused = props.state === "paused";
  const runs = isPaused || props.state === "running" || props.state === "restarting";
  const step = (word: string, done: string) => (
    <button
      disabled={busy !== undefined}
      aria-label={`${word} ${props.name}`}
      onClick={() => act(word, () => post(`${props.path}/${word.toLowerCase()}`), `${props.name} ${done}`).then(props.done)}
    >
      {busy === word ? "…" : word}
    </button>
  );
  return (
    <div class="row steps">
      {!runs && step("Start", "was started")}
      {isPaused && props.canUnpause && step("Unpause", "goes on")}
      {runs && !isPaused && step("Restart", "was restarted")}
      {runs && step("Stop", "was stopped")}
      <button class="danger" aria-label={`Delete ${props.name}`} onClick={props.remove}>
        Delete
      </button>
    </div>
  );
}

/** Whose it is; of another engine's, whether it may run as well. */
function Manager(props: { row: Row }) {
  const { manager, place, external } = props.row;
  if (!external) return manager ? <>{manager}</> : <span class="quiet">nobody</span>;
  return (
    <>
      <div title={place}>{manager}</div>
      {external.allowed ? (
        <Mark kind="good">allowed</Mark>
      ) : (
        <details>
          <summary>
            <Mark kind="bad">not allowed</Mark>
          </summary>
          {external.reason}
        </details>
      )}
    </>
  );
}

/** after: something was done with another engine's container. */
function columns(remove: (row: Row) => void, after: () => void): Column<Row>[] {
  const target = (row: Row) => (row.external ? { path: pathOf(row.external), name: `${row.name} of ${row.manager}`, done: after } : { path: `/containers/${row.id}`, name: row.name, canUnpause: true });
  return [
    { name: "Name", by: (row) => row.name, class: "title", cell: (row) => (row.external ? row.name : <a href={`#/containers/${encodeURIComponent(row.name)}`}>{row.name}</a>) },
    { name: "State", by: (row) => row.state, cell: (row) => <span title={row.status}><State state={row.state} /></span> },
    { name: "Health", by: (row) => row.health, cell: (row) => <Health health={row.health} /> },
    { name: "Image", by: (row) => row.image, class: "long", cell: (row) => splitImage(row.image)[0] },
    { name: "Tag", by: (row) => splitImage(row.image)[1], cell: (row) => splitImage(row.image)[1] || <span class="quiet">–</span> },
    { name: "Digest", cell: (row) => <Digest text={row.digest} /> },
    { name: "Ports", cell: (row) => row.ports.map((port) => <div>{port}</div>) },
    { name: "Managed by", by: (row) => `${row.manager} ${row.external?.allowed}`, cell: (row) => <Manager row={row} /> },
    { name: "Actions", class: "actions", cell: (row) => <Steps {...target(row)} state={row.state} remove={() => remove(row)} /> },
  ];
}

function matches(row: Row, text: string): boolean {
  return `${row.name} ${row.image} ${row.state} ${row.status} ${row.manager} ${row.id}`.toLowerCase().includes(text.toLowerCase());
}

export function Containers() {
  const loaded = useData(load, ["container", "image"]);
  const engines = useEngines();
  const [filter, setFilter] = useState("");
  const [leaving, setLeaving] = useState<Row>();
  const close = () => setLeaving(undefined);
  const externals = engines.data?.containers.map((external) => rowOfExternal(external, engines.data!.engine)) ?? [];
  return (
    <LoadedPage
      title="Containers"
      actions={<Filter value={filter} set={setFilter} label="Filter containers" />}
      loaded={loaded}
      dialogs={
        leaving &&
        (leaving.external ? (
          <DeleteExternal row={leaving.external} manager={leaving.manager} close={close} done={engines.reload} />
        ) : (
          <Delete id={leaving.id} name={leaving.name} close={close} done={loaded.reload} />
        ))
      }
    >
      {(own) => (
        <>
          <Trouble loaded={engines} />
          <Table
            label="Containers"
            rows={[...own, ...externals].filter((row) => matches(row, filter))}
            columns={columns(setLeaving, engines.reload)}
            id={(row) => row.id}
            empty={own.length + externals.length ? "No container is like that." : "No container is on this device yet."}
          />
        </>
      )}
    </LoadedPage>
  );
}
