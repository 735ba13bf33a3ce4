// SPDX-License-Identifier: Apache-2.0
// Each change of what is declared, and the way back.
import { useState } from "preact/hooks";
import { call, post } from "../api";
import { Await, Confirm, LoadedPage, Table } from "../parts";
import { useData } from "../use";

interface Snapshot {
  number: number;
  time: string;
  why: string;
  containers: number;
}

interface Difference {
  Field: string;
  From?: unknown;
  To?: unknown;
}

const words = (value: unknown) => (value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value));

function Differences(props: { rows: Difference[] }) {
  return (
    <Table
      label="What is different"
      rows={props.rows}
      id={(row) => row.Field}
      empty="It is what is declared now."
      columns={[
        { name: "What", class: "title", cell: (row) => row.Field },
        { name: "Then", class: "long", cell: (row) => words(row.From) },
        { name: "Now", class: "long", cell: (row) => words(row.To) },
      ]}
    />
  );
}

function Back(props: { snapshot: Snapshot; close: () => void; after: () => void }) {
  const { number } = props.snapshot;
  const { data, problem } = useData(() => call<{ differences: Difference[] }>(`/kedge/v1/snapshots/${number}/diff`), [], String(number));
  return (
    <Confirm
      title={`Snapshot ${number}`}
      verb="Go back to it"
      isWide
      isWaiting={!data?.differences.length}
      work={() => post(`/kedge/v1/snapshots/${number}/rollback`)}
      told={`What is declared is that of snapshot ${number} again`}
      close={props.close}
      after={props.after}
    >
      <Await data={data} problem={problem}>
        {({ differences }) => <Differences rows={differences} />}
      </Await>
      <p>Going back makes containers as they were declared then: those that are different are replaced, and lose what they have written into their own files.</p>
    </Confirm>
  );
}

export function Snapshots() {
  const loaded = useData(() => call<{ snapshots: Snapshot[] }>("/kedge/v1/snapshots"), ["container", "declaration", "daemon"]);
  const [back, setBack] = useState<Snapshot>();
  return (
    <LoadedPage
      title="Snapshots"
      intro="Each change of what is declared is kept, whoever made it."
      loaded={loaded}
      dialogs={back && <Back snapshot={back} close={() => setBack(undefined)} after={loaded.reload} />}
    >
      {({ snapshots }) => (
        <Table
          label="Snapshots"
          rows={[...snapshots].sort((a, b) => b.number - a.number)}
          id={(row) => String(row.number)}
          empty="Nothing was declared yet."
          columns={[
            { name: "Number", by: (row) => row.number, class: "title", cell: (row) => row.number },
            { name: "Time", cell: (row) => <time>{new Date(row.time).toLocaleString()}</time> },
            { name: "Why", class: "long", cell: (row) => row.why },
            { name: "Containers", cell: (row) => row.containers },
            {
              name: "Actions",
              class: "actions",
              cell: (row) => (
                <button aria-label={`Compare with snapshot ${row.number}`} onClick={() => setBack(row)}>
                  Compare…
                </button>
              ),
            },
          ]}
        />
      )}
    </LoadedPage>
  );
}
