// SPDX-License-Identifier: Apache-2.0
// Pieces that all pages share.
import type { ComponentChildren, FunctionComponent } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { type Loaded, tell, useAction } from "./use";

export function Page(props: { title: string; intro?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren }) {
  useEffect(() => {
    document.title = `${props.title} · kedge`;
  }, [props.title]);
  return (
    <>
      <header class="head">
        <h1 tabIndex={-1}>{props.title}</h1>
        {props.actions && <div class="row">{props.actions}</div>}
      </header>
      {props.intro && <p class="intro">{props.intro}</p>}
      {props.children}
    </>
  );
}

/** A page's data, or what there is instead of it. */
export function Await<T>(props: { data: T | undefined; problem: string | undefined; children: (data: T) => ComponentChildren }) {
  if (props.data !== undefined)
    return (
      <>
        {props.problem && <Problem text={props.problem} />}
        {props.children(props.data)}
      </>
    );
  return props.problem ? <Problem text={props.problem} /> : <p class="quiet">Loading…</p>;
}

/** A page of one thing that is loaded; dialogs stand beside it. */
export function LoadedPage<T>(props: { title: string; intro?: ComponentChildren; actions?: ComponentChildren; loaded: Loaded<T>; dialogs?: ComponentChildren; children: (data: T) => ComponentChildren }) {
  return (
    <Page title={props.title} intro={props.intro} actions={props.actions}>
      <Await data={props.loaded.data} problem={props.loaded.problem}>
        {props.children}
      </Await>
      {props.dialogs}
    </Page>
  );
}

export function Problem(props: { text: string }) {
  return (
    <p class="problem" role="alert">
      {props.text}
    </p>
  );
}

export interface Column<T> {
  name: string;
  cell: (row: T) => ComponentChildren;
  /** what it is sorted by; without it, it is not */
  by?: (row: T) => string | number;
  class?: string;
}

/** On a narrow screen each row is a card. */
export function Table<T>(props: { label: string; rows: T[]; columns: Column<T>[]; id: (row: T) => string; empty: ComponentChildren }) {
  const [order, setOrder] = useState<[string, boolean] | undefined>();
  const column = props.columns.find((one) => one.name === order?.[0]);
  const rows = [...props.rows];
  if (column?.by)
    rows.sort((a, b) => {
      const [x, y] = [column.by!(a), column.by!(b)];
      return (typeof x === "number" ? x - (y as number) : x.localeCompare(y as string, undefined, { numeric: true })) * (order![1] ? -1 : 1);
    });
  if (rows.length === 0) return <p class="empty">{props.empty}</p>;
  return (
    <table aria-label={props.label}>
      <thead>
        <tr>
          {props.columns.map((one) => (
            <th scope="col" class={one.class} aria-sort={order?.[0] === one.name ? (order[1] ? "descending" : "ascending") : undefined}>
              {one.by ? (
                <button class="sort" onClick={() => setOrder([one.name, order?.[0] === one.name && !order[1]])}>
                  {one.name}
                  <span aria-hidden="true">{order?.[0] === one.name ? (order[1] ? " ↓" : " ↑") : ""}</span>
                </button>
              ) : (
                one.name
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={props.id(row)} data-id={props.id(row)}>
            {props.columns.map((one) => (
              <td data-label={one.name} class={one.class}>
                {one.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Over everything else; Escape closes it. */
export function Dialog(props: { title: string; close: () => void; children: ComponentChildren; isWide?: boolean }) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    ref.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={props.isWide ? "wide" : undefined}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        props.close();
      }}
    >
      <h2 id={id}>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** A dialog's two buttons. Without confirm(), the second one sends the form that it is in. */
export function Ends(props: { close: () => void; cancel?: string; verb?: string; isDanger?: boolean; isBusy?: boolean; confirm?: () => void }) {
  return (
    <div class="row end">
      <button type="button" onClick={props.close}>
        {props.cancel ?? "Cancel"}
      </button>
      {props.verb && (
        <button type={props.confirm ? "button" : "submit"} class={props.isDanger ? "danger" : "first"} disabled={props.isBusy} onClick={props.confirm}>
          {props.verb}
        </button>
      )}
    </div>
  );
}

/** A question before something is lost; work() does it, and after() comes behind that when it went well. */
export function Confirm(props: {
  title: string;
  verb: string;
  isWaiting?: boolean;
  isSafe?: boolean;
  isWide?: boolean;
  work: () => Promise<unknown>;
  told: string;
  close: () => void;
  after?: () => void;
  children: ComponentChildren;
}) {
  const [busy, act] = useAction();
  const confirm = async () => {
    const isDone = await act(props.verb, props.work, props.told);
    props.close();
    if (isDone) props.after?.();
  };
  return (
    <Dialog title={props.title} close={props.close} isWide={props.isWide}>
      {props.children}
      <Ends close={props.close} verb={props.verb} isDanger={!props.isSafe} isBusy={busy !== undefined || props.isWaiting} confirm={confirm} />
    </Dialog>
  );
}

/** What is typed into its fields goes to work(), which tells what has come of it. */
export function FormDialog(props: { title: string; verb: string; work: (typed: FormData) => Promise<string>; close: () => void; after: () => void; children: ComponentChildren }) {
  const [busy, act] = useAction();
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget as HTMLFormElement);
    if (!(await act(props.verb, async () => tell(await props.work(typed))))) return;
    props.close();
    props.after();
  };
  return (
    <Dialog title={props.title} close={props.close}>
      <form onSubmit={send}>
        {props.children}
        <Ends close={props.close} verb={props.verb} isBusy={busy !== undefined} />
      </form>
    </Dialog>
  );
}

export function Filter(props: { value: string; set: (value: string) => void; label: string }) {
  const ref = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const typed = (event: KeyboardEvent) => {
      const at = document.activeElement;
      if (event.key !== "/" || event.ctrlKey || event.metaKey || (at && /INPUT|TEXTAREA|SELECT/.test(at.tagName)) || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      ref.current?.focus();
    };
    addEventListener("keydown", typed);
    return () => removeEventListener("keydown", typed);
  }, []);
  return (
    <input ref={ref} type="search" placeholder={`${props.label} ( / )`} aria-label={props.label} value={props.value} onInput={(event) => props.set(event.currentTarget.value)} />
  );
}

/** What a short word stands for, in its colour and in its words. */
export function Mark(props: { kind: "good" | "bad" | "wait" | "off"; children: ComponentChildren }) {
  return <span class={`mark ${props.kind}`}>{props.children}</span>;
}

export function Facts(props: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {props.rows
        .filter(([, value]) => value !== undefined && value !== "" && value !== null)
        .map(([name, value]) => (
          <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function Digest(props: { text: string | undefined }) {
  if (!props.text) return <span class="quiet">–</span>;
  return (
    <code title={props.text} class="digest">
      {props.text.replace(/^.*sha256:/, "").slice(0, 12)}
    </code>
  );
}

/** A part that is loaded when it is shown first. */
export function lazy<P extends object>(load: () => Promise<FunctionComponent<P>>): FunctionComponent<P> {
  let known: FunctionComponent<P> | undefined;
  return (props: P) => {
    const [Part, set] = useState(() => known);
    const [problem, setProblem] = useState(false);
    useEffect(() => {
      if (!Part)
        load().then(
          (part) => {
            known = part;
            set(() => part);
          },
          () => setProblem(true),
        );
    }, []);
    if (problem) return <Problem text="This part of the page could not be loaded: load the page again" />;
    return Part ? <Part {...props} /> : <p class="quiet">Loading…</p>;
  };
}

/** A labelled input with what it is for below it. */
export function Field(props: { label: string; help?: string } & preact.JSX.InputHTMLAttributes<HTMLInputElement>) {
  const { label, help, ...input } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input {...input} id={id} aria-describedby={help && `${id}-help`} />
      {help && <small id={`${id}-help`}>{help}</small>}
    </div>
  );
}
