// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { call, post, remove } from "../api";
import { type Column, Confirm, Field, FormDialog, LoadedPage, Table } from "../parts";
import type { Network } from "../types";
import { useData } from "../use";

/** Lists do not say who is in a network; each network does. */
async function load(): Promise<Network[]> {
  const all = await call<Network[]>("/networks");
  return Promise.all(all.map((network) => call<Network>(`/networks/${network.Id}`).catch(() => network)));
}

const isBuiltIn = (network: Network) => ["bridge", "host", "none"].includes(network.Name);
const members = (network: Network) => Object.values(network.Containers ?? {});

function columns(leave: (network: Network) => void): Column<Network>[] {
  return [
    { name: "Name", by: (row) => row.Name, class: "title", cell: (row) => row.Name },
    { name: "Driver", cell: (row) => `${row.Driver}${row.Internal ? ", internal" : ""}` },
    { name: "Subnets", cell: (row) => (row.IPAM.Config ?? []).map((part) => <div>{part.Subnet}</div>) },
    {
      name: "Containers",
      by: (row) => members(row).length,
      class: "long",
      cell: (row) =>
        members(row).length
          ? members(row).map((one) => (
              <div>
                <a href={`#/containers/${encodeURIComponent(one.Name)}`}>{one.Name}</a> <span class="quiet">{[one.IPv4Address, one.IPv6Address].filter(Boolean).map((at) => at.split("/")[0]).join(", ")}</span>
              </div>
            ))
          : <span class="quiet">none</span>,
    },
    {
      name: "Actions",
      class: "actions",
      cell: (row) =>
        isBuiltIn(row) ? <span class="quiet">built in</span> : (
          <button class="danger" aria-label={`Delete ${row.Name}`} disabled={members(row).length > 0} title={members(row).length ? "A container is on it" : undefined} onClick={() => leave(row)}>
            Delete
          </button>
        ),
    },
  ];
}

async function make(typed: FormData): Promise<string> {
  const name = String(typed.get("name")).trim();
  const subnet = String(typed.get("subnet")).trim();
  await post("/networks/create", { Name: name, Driver: "bridge", Internal: typed.has("internal"), CheckDuplicate: true, ...(subnet && { IPAM: { Config: [{ Subnet: subnet }] } }) });
  return `${name} was made`;
}

function Create(props: { close: () => void; done: () => void }) {
  return (
    <FormDialog title="Make a network" verb="Make" work={make} close={props.close} after={props.done}>
      <Field label="Name" help="Containers on it find each other by name." name="name" required autoFocus autoCapitalize="none" />
      <Field label="Subnet" help="Such as 10.20.0.0/24." name="subnet" placeholder="kedge chooses one" />
      <label class="check">
        <input type="checkbox" name="internal" /> Internal: no way out of it
      </label>
    </FormDialog>
  );
}

export function Networks() {
  const loaded = useData(load, ["network", "container"]);
  const [leaving, setLeaving] = useState<Network>();
  const [isMaking, setMaking] = useState(false);
  return (
    <LoadedPage
      title="Networks"
      actions={
        <button class="first" onClick={() => setMaking(true)}>
          Make…
        </button>
      }
      loaded={loaded}
      dialogs={
        <>
          {isMaking && <Create close={() => setMaking(false)} done={loaded.reload} />}
          {leaving && (
            <Confirm title={`Delete ${leaving.Name}?`} verb="Delete" work={() => remove(`/networks/${leaving.Id}`)} told={`${leaving.Name} was deleted`} close={() => setLeaving(undefined)} after={loaded.reload}>
              <p>No container is on it. Its addresses may be given to another network.</p>
            </Confirm>
          )}
        </>
      }
    >
      {(rows) => <Table label="Networks" rows={rows} columns={columns(setLeaving)} id={(row) => row.Id} empty="There is no network." />}
    </LoadedPage>
  );
}
