// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { call, post } from "../api";
import { Delete } from "../delete";
import { Health, State, digestOf, healthOf, managerOf, nameOf, portsOf } from "../facts";
import { Await, type Column, Digest, Filter, Page, Table } from "../parts";
import type { ContainerSummary, ImageSummary } from "../types";
import { useAction, useData } from "../use";
import { splitImage } from "../words";

interface Everything {
  containers: ContainerSummary[];
  images: Map<string, ImageSummary>;
}

async function load(): Promise<Everything> {
  const [containers, images] = await Promise.all([call<ContainerSummary[]>("/containers/json?all=1"), call<ImageSummary[]>("/images/json?all=1")]);
  return { containers, images: new Map(images.map((image) => [image.Id, image])) };
}

export function Steps(props: { id: string; name: string; state: string; remove: () => void }) {
  const [busy, act] = useAction();
  const runs = ["running", "paused", "restarting"].includes(props.state);
  const step = (word: string, done: string) => (
    <button disabled={busy !== undefined} aria-label={`${word} ${props.name}`} onClick={() => act(word, () => post(`/containers/${props.id}/${word.toLowerCase()}`), `${props.name} ${done}`)}>
      {busy === word ? "…" : word}
    </button>
  );
  return (
    <div class="row steps">
      {!runs && step("Start", "was started")}
      {props.state === "paused" && step("Unpause", "goes on")}
      {runs && props.state !== "paused" && step("Restart", "was restarted")}
      {runs && step("Stop", "was stopped")}
      <button class="danger" aria-label={`Delete ${props.name}`} onClick={props.remove}>
        Delete
      </button>
    </div>
  );
}

function columns(images: Map<string, ImageSummary>, remove: (row: ContainerSummary) => void): Column<ContainerSummary>[] {
  return [
    {
      name: "Name",
      by: nameOf,
      class: "title",
      cell: (row) => <a href={`#/containers/${encodeURIComponent(nameOf(row))}`}>{nameOf(row)}</a>,
    },
    { name: "State", by: (row) => row.State, cell: (row) => <span title={row.Status}><State state={row.State} /></span> },
    { name: "Health", by: (row) => healthOf(row.Status), cell: (row) => <Health health={healthOf(row.Status)} /> },
    { name: "Image", by: (row) => row.Image, class: "long", cell: (row) => splitImage(row.Image)[0] },
    { name: "Tag", by: (row) => splitImage(row.Image)[1], cell: (row) => splitImage(row.Image)[1] || <span class="quiet">–</span> },
    { name: "Digest", cell: (row) => <Digest text={digestOf(images.get(row.ImageID)) ?? row.ImageID} /> },
    { name: "Ports", cell: (row) => portsOf(row.Ports).map((port) => <div>{port}</div>) },
    { name: "Managed by", by: (row) => managerOf(row.Labels), cell: (row) => managerOf(row.Labels) || <span class="quiet">nobody</span> },
    { name: "Actions", class: "actions", cell: (row) => <Steps id={row.Id} name={nameOf(row)} state={row.State} remove={() => remove(row)} /> },
  ];
}

function matches(row: ContainerSummary, text: string): boolean {
  return `${nameOf(row)} ${row.Image} ${row.State} ${row.Status} ${row.Id}`.toLowerCase().includes(text.toLowerCase());
}

export function Containers() {
  const { data, problem, reload } = useData(load, ["container", "image"]);
  const [filter, setFilter] = useState("");
  const [leaving, setLeaving] = useState<ContainerSummary>();
  return (
    <Page title="Containers" actions={<Filter value={filter} set={setFilter} label="Filter containers" />}>
      <Await data={data} problem={problem}>
        {({ containers, images }) => (
          <Table
            label="Containers"
            rows={containers.filter((row) => matches(row, filter))}
            columns={columns(images, setLeaving)}
            id={(row) => row.Id}
            empty={containers.length ? "No container is like that." : "No container is on this device yet."}
          />
        )}
      </Await>
      {leaving && <Delete id={leaving.Id} name={nameOf(leaving)} close={() => setLeaving(undefined)} done={reload} />}
    </Page>
  );
}
