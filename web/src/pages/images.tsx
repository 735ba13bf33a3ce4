// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call, documents, messageOf, remove } from "../api";
import { digestOf, nameOf } from "../facts";
import { type Column, Confirm, Digest, Dialog, Ends, Filter, LoadedPage, Problem, Table } from "../parts";
import type { ContainerSummary, ImageSummary } from "../types";
import { useData } from "../use";
import { ago, bytes, countOf, shortId, splitImage } from "../words";

interface Row {
  image: ImageSummary;
  reference: string; // what it is deleted by
  name: string;
  tag: string;
  users: ContainerSummary[];
}

function rowsOf(image: ImageSummary, containers: ContainerSummary[]): Row[] {
  const users = containers.filter((container) => container.ImageID === image.Id);
  const tags = (image.RepoTags ?? []).filter((tag) => tag !== "<none>:<none>");
  if (tags.length === 0) return [{ image, reference: image.Id, name: image.RepoDigests?.[0]?.split("@")[0] ?? "without a name", tag: "", users }];
  return tags.map((reference) => ({ image, reference, name: splitImage(reference)[0], tag: splitImage(reference)[1], users }));
}

async function load(): Promise<Row[]> {
  const [images, containers] = await Promise.all([call<ImageSummary[]>("/images/json"), call<ContainerSummary[]>("/containers/json?all=1")]);
  return images.flatMap((image) => rowsOf(image, containers));
}

interface Progress {
  status?: string;
  id?: string;
  error?: string;
  progressDetail?: { current?: number; total?: number };
}

interface Layer {
  status: string;
  current: number;
  total: number;
}

function registryAuth(user: string, password: string): Record<string, string> {
  if (!user) return {};
  const text = new TextEncoder().encode(JSON.stringify({ username: user, password }));
  return { "X-Registry-Auth": btoa(String.fromCharCode(...text)).replace(/\+/g, "-").replace(/\//g, "_") };
}

function Bar(props: { layers: Map<string, Layer> }) {
  const known = [...props.layers.values()].filter((layer) => layer.total > 0);
  const total = known.reduce((sum, layer) => sum + layer.total, 0);
  const current = known.reduce((sum, layer) => sum + layer.current, 0);
  if (total === 0) return <progress aria-label="Progress" />;
  return (
    <>
      <progress aria-label="Progress" value={current} max={total} />
      <p class="quiet">
        {bytes(current)} of {bytes(total)}
      </p>
    </>
  );
}

function Pull(props: { close: () => void; done: () => void }) {
  const [layers, setLayers] = useState<Map<string, Layer>>();
  const [status, setStatus] = useState("");
  const [problem, setProblem] = useState("");
  const [isDone, setDone] = useState(false);
  const ends = useRef<AbortController>();
  useEffect(() => () => ends.current?.abort(), []);

  const take = (line: Progress) => {
    if (line.error) throw new ApiError(500, line.error);
    if (!line.id || line.status?.startsWith("Pulling from")) {
      setStatus(line.status ?? "");
      return;
    }
    const { current = 0, total = 0 } = line.progressDetail ?? {};
    setLayers((before) => {
      const next = new Map(before);
      const last = next.get(line.id!);
      const size = total || last?.total || 0;
      const isOver = /complete|exists/i.test(line.status ?? "");
      next.set(line.id!, { status: line.status ?? "", total: size, current: isOver ? size : current || last?.current || 0 });
      return next;
    });
  };

  const start = async (event: SubmitEvent) => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget as HTMLFormElement);
    const image = String(typed.get("image")).trim();
    const query = image.includes("@") || /:[^/]*$/.test(image) ? "" : "&tag=latest";
    ends.current = new AbortController();
    setProblem("");
    setStatus("Asking the registry…");
    setLayers(new Map());
    try {
      await documents<Progress>(
        `/images/create?fromImage=${encodeURIComponent(image)}${query}`,
        { method: "POST", headers: registryAuth(String(typed.get("user")), String(typed.get("password"))), signal: ends.current.signal },
        take,
      );
      setDone(true);
      props.done();
    } catch (error) {
      setLayers(undefined);
      setStatus("");
      if (!ends.current.signal.aborted) setProblem(messageOf(error));
    }
  };

  return (
    <Dialog title="Pull an image" close={props.close}>
      <form onSubmit={start}>
        <label>
          Image
          <input name="image" placeholder="registry.example.com/name:tag" required autoFocus autoCapitalize="none" spellcheck={false} disabled={layers !== undefined} />
        </label>
        <details>
          <summary>The registry asks for a login</summary>
          <label>
            User <input name="user" autoComplete="off" autoCapitalize="none" />
          </label>
          <label>
            Password <input name="password" type="password" autoComplete="off" />
          </label>
        </details>
        {problem && <Problem text={problem} />}
        {layers && (
          <>
            {!isDone && <Bar layers={layers} />}
            <ul class="layers">
              {[...layers].map(([id, layer]) => (
                <li>
                  <code>{id}</code> {layer.status}
                </li>
              ))}
            </ul>
          </>
        )}
        <p role="status">{status}</p>
        <Ends close={props.close} cancel={isDone ? "Close" : undefined} verb={isDone ? undefined : "Pull"} isBusy={layers !== undefined} />
      </form>
    </Dialog>
  );
}

function DeleteImage(props: { row: Row; close: () => void; done: () => void }) {
  const { row } = props;
  const others = (row.image.RepoTags ?? []).length > 1;
  const name = row.tag ? row.reference : shortId(row.image.Id);
  return (
    <Confirm title={`Delete ${name}?`} verb="Delete" work={() => remove(`/images/${encodeURIComponent(row.reference)}`)} told={`${name} was deleted`} close={props.close} after={props.done}>
      {others ? <p>The name goes; the image has others, and stays.</p> : <p>{bytes(row.image.Size)} are freed. Where no registry has this image, it cannot be had again.</p>}
      {row.users.length > 0 && <p class="problem">It is used by {row.users.map(nameOf).join(", ")}: kedge refuses to delete it while one of them runs.</p>}
    </Confirm>
  );
}

function columns(leave: (row: Row) => void): Column<Row>[] {
  return [
    { name: "Image", by: (row) => row.name, class: "title", cell: (row) => row.name },
    { name: "Tag", by: (row) => row.tag, cell: (row) => row.tag || <span class="quiet">–</span> },
    { name: "Digest", cell: (row) => <Digest text={digestOf(row.image)} /> },
    { name: "Id", cell: (row) => <Digest text={row.image.Id} /> },
    { name: "Size", by: (row) => row.image.Size, cell: (row) => bytes(row.image.Size) },
    { name: "Made", by: (row) => row.image.Created, cell: (row) => (row.image.Created > 0 ? ago(row.image.Created) : <span class="quiet">–</span>) },
    {
      name: "Used by",
      by: (row) => row.users.length,
      class: "long",
      cell: (row) =>
        row.users.length ? row.users.map((user) => <div><a href={`#/containers/${encodeURIComponent(nameOf(user))}`}>{nameOf(user)}</a></div>) : <span class="quiet">nobody</span>,
    },
    {
      name: "Actions",
      class: "actions",
      cell: (row) => (
        <button class="danger" aria-label={`Delete ${row.reference}`} onClick={() => leave(row)}>
          Delete
        </button>
      ),
    },
  ];
}

export function Images() {
  const loaded = useData(load, ["image", "container"]);
  const [filter, setFilter] = useState("");
  const [leaving, setLeaving] = useState<Row>();
  const [isPulling, setPulling] = useState(false);
  return (
    <LoadedPage
      title="Images"
      actions={
        <>
          <Filter value={filter} set={setFilter} label="Filter images" />
          <button class="first" onClick={() => setPulling(true)}>
            Pull…
          </button>
        </>
      }
      loaded={loaded}
      dialogs={
        <>
          {isPulling && <Pull close={() => setPulling(false)} done={loaded.reload} />}
          {leaving && <DeleteImage row={leaving} close={() => setLeaving(undefined)} done={loaded.reload} />}
        </>
      }
    >
      {(rows) => (
        <>
          <Table
            label="Images"
            rows={rows.filter((row) => `${row.reference} ${row.name}`.toLowerCase().includes(filter.toLowerCase()))}
            columns={columns(setLeaving)}
            id={(row) => row.reference}
            empty={rows.length ? "No image is like that." : "No image is on this device yet: pull one."}
          />
          <p class="quiet">{countOf(new Set(rows.map((row) => row.image.Id)).size, "image")}</p>
        </>
      )}
    </LoadedPage>
  );
}
