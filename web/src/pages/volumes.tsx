// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { call, post, remove } from "../api";
import { nameOf } from "../facts";
import { type Column, Confirm, Field, FormDialog, LoadedPage, Table } from "../parts";
import type { ContainerSummary, Volume } from "../types";
import { useData } from "../use";
import { ago, shortId } from "../words";

interface Row {
  volume: Volume;
  users: ContainerSummary[];
}

async function load(): Promise<Row[]> {
  const [{ Volumes }, containers] = await Promise.all([call<{ Volumes: Volume[] | null }>("/volumes"), call<ContainerSummary[]>("/containers/json?all=1")]);
  return (Volumes ?? []).map((volume) => ({ volume, users: containers.filter((container) => container.Mounts.some((mount) => mount.Name === volume.Name)) }));
}

const isNameless = (volume: Volume) => /^[0-9a-f]{64}$/.test(volume.Name);

function columns(leave: (row: Row) => void): Column<Row>[] {
  return [
    {
      name: "Name",
      by: (row) => row.volume.Name,
      class: "title",
      cell: (row) => (isNameless(row.volume) ? <span title={row.volume.Name}>{shortId(row.volume.Name)} <span class="quiet">(without a name)</span></span> : row.volume.Name),
    },
    { name: "Driver", cell: (row) => row.volume.Driver },
    { name: "Made", by: (row) => Date.parse(row.volume.CreatedAt), cell: (row) => ago(Date.parse(row.volume.CreatedAt) / 1000) },
    {
      name: "Used by",
      by: (row) => row.users.length,
      class: "long",
      cell: (row) =>
        row.users.length ? row.users.map((user) => <div><a href={`#/containers/${encodeURIComponent(nameOf(user))}`}>{nameOf(user)}</a></div>) : <span class="quiet">nobody</span>,
    },
    { name: "Place", class: "long", cell: (row) => <code>{row.volume.Mountpoint}</code> },
    {
      name: "Actions",
      class: "actions",
      cell: (row) => (
        <button class="danger" aria-label={`Delete ${row.volume.Name}`} disabled={row.users.length > 0} title={row.users.length ? "A container uses it" : undefined} onClick={() => leave(row)}>
          Delete
        </button>
      ),
    },
  ];
}

async function make(typed: FormData): Promise<string> {
  const name = String(typed.get("name")).trim();
  await post("/volumes/create", { Name: name });
  return `${name} was made`;
}

function Create(props: { close: () => void; done: () => void }) {
  return (
    <FormDialog title="Make a volume" verb="Make" work={make} close={props.close} after={props.done}>
      <Field label="Name" name="name" required autoFocus autoCapitalize="none" pattern="[a-zA-Z0-9][a-zA-Z0-9_.\-]+" title="letters, digits, and _ . - behind the first one" />
    </FormDialog>
  );
}

function Leave(props: { volume: Volume; close: () => void; after: () => void }) {
  const { Name } = props.volume;
  return (
    <Confirm
      title={`Delete ${isNameless(props.volume) ? shortId(Name) : Name}?`}
      verb="Delete"
      work={() => remove(`/volumes/${encodeURIComponent(Name)}`)}
      told={`${isNameless(props.volume) ? shortId(Name) : Name} was deleted`}
      close={props.close}
      after={props.after}
    >
      <p>All that is in it is lost for good. No container uses it.</p>
    </Confirm>
  );
}

export function Volumes() {
  const loaded = useData(load, ["volume", "container"]);
  const [leaving, setLeaving] = useState<Row>();
  const [isMaking, setMaking] = useState(false);
  return (
    <LoadedPage
      title="Volumes"
      actions={
        <button class="first" onClick={() => setMaking(true)}>
          Make…
        </button>
      }
      loaded={loaded}
      dialogs={
        <>
          {isMaking && <Create close={() => setMaking(false)} done={loaded.reload} />}
          {leaving && <Leave volume={leaving.volume} close={() => setLeaving(undefined)} after={loaded.reload} />}
        </>
      }
    >
      {(rows) => <Table label="Volumes" rows={rows} columns={columns(setLeaving)} id={(row) => row.volume.Name} empty="No volume is on this device yet." />}
    </LoadedPage>
  );
}
