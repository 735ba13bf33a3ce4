// SPDX-License-Identifier: Apache-2.0
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import "./style.css";
import { ContainerPage } from "./pages/container";
import { Containers } from "./pages/containers";
import { DeclaredPage } from "./pages/declared";
import { Device } from "./pages/device";
import { EnforcementPage } from "./pages/enforcement";
import { Events } from "./pages/events";
import { Images } from "./pages/images";
import { Networks } from "./pages/networks";
import { Settings } from "./pages/settings";
import { Snapshots } from "./pages/snapshots";
import { Volumes } from "./pages/volumes";
import { Login, Session, useSession } from "./session";
import { useAddress, useConnection, useNote } from "./use";

const PAGES: [string, string, () => preact.JSX.Element][] = [
  ["containers", "Containers", Containers],
  ["declared", "Declared", DeclaredPage],
  ["images", "Images", Images],
  ["volumes", "Volumes", Volumes],
  ["networks", "Networks", Networks],
  ["allow-list", "Allow-list", EnforcementPage],
  ["snapshots", "Snapshots", Snapshots],
  ["events", "Events", Events],
  ["device", "Device", Device],
  ["settings", "Settings", Settings],
];

function Navigation(props: { at: string }) {
  const bar = useRef<HTMLElement>(null);
  useEffect(() => bar.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [props.at]);
  return (
    <nav aria-label="Pages" ref={bar}>
      {PAGES.map(([path, name]) => (
        <a key={path} href={`#/${path}`} aria-current={props.at === path ? "page" : undefined}>
          {name}
        </a>
      ))}
    </nav>
  );
}

function Note() {
  const [note, close] = useNote();
  return (
    <div class="notes" aria-live="polite">
      {note && (
        <div class={note.isBad ? "note bad" : "note"} role={note.isBad ? "alert" : "status"}>
          <span>{note.text}</span>
          <button class="plain" aria-label="Close this message" onClick={close}>
            ×
          </button>
        </div>
      )}
    </div>
  );
}

function Content(props: { parts: string[] }) {
  const [page = "containers", id] = props.parts;
  if (page === "containers" && id) return <ContainerPage key={id} id={id} />;
  const Found = PAGES.find(([path]) => path === page)?.[2] ?? Containers;
  return <Found key={page} />;
}

function App() {
  const parts = useAddress();
  const state = useConnection();
  const session = useSession();
  useEffect(() => {
    document.querySelector("dialog")?.close();
    document.querySelector<HTMLElement>("main h1")?.focus();
  }, [parts[0], parts[1]]);
  if (!session) return <p class="quiet start">{state === "lost" ? "There is no connection to kedge. Trying again…" : "Loading…"}</p>;
  if (state === "locked") return <Login />;
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.querySelector<HTMLElement>("main h1")?.focus())}>
        To the content
      </a>
      <header class="bar">
        <a class="brand" href="#/containers">
          <img src="/favicon.svg" alt="" width="28" height="28" />
          kedge
        </a>
        <Navigation at={parts[0] ?? "containers"} />
        <Session session={session} />
      </header>
      {state === "lost" && (
        <p class="lost" role="alert">
          The connection to kedge is lost. Containers go on; this page tries again every second.
        </p>
      )}
      <main id="main">
        <Content parts={parts} />
      </main>
      <Note />
    </>
  );
}

render(<App />, document.getElementById("app")!);
