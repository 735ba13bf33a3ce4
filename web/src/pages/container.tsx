// SPDX-License-Identifier: Apache-2.0
// One container: what it is, what it says, what it uses, and a terminal in it.
import { useState } from "preact/hooks";
import { call } from "../api";
import { Delete } from "../delete";
import { Health, State, managerOf } from "../facts";
import { Logs } from "../logs";
import { Await, Facts, Page, lazy } from "../parts";
import type { ContainerDetails } from "../types";
import { useData } from "../use";
import { bytes, clock, countOf, shortId } from "../words";
import { Steps } from "./containers";

const Charts = lazy(() => import("../charts").then((module) => module.ContainerCharts));
const Terminal = lazy(() => import("../terminal").then((module) => module.Terminal));

const TABS = ["Overview", "Logs", "Charts", "Terminal"] as const;
type Tab = (typeof TABS)[number];

function stateWords(container: ContainerDetails): string {
  const { State: state } = container;
  if (state.Running) return `since ${clock(Date.parse(state.StartedAt) / 1000)}`;
  if (state.Status === "created") return "never started";
  return `ended with ${state.ExitCode}${state.OOMKilled ? ", out of memory" : ""}, ${clock(Date.parse(state.FinishedAt) / 1000)}`;
}

function ports(container: ContainerDetails) {
  return Object.entries(container.NetworkSettings.Ports ?? {}).map(([inner, outer]) => (
    <div>{outer?.length ? outer.map((one) => `${one.HostIp.includes(":") ? `[${one.HostIp}]` : one.HostIp}:${one.HostPort} → ${inner}`).join(", ") : inner}</div>
  ));
}

function Overview(props: { container: ContainerDetails }) {
  const { container } = props;
  const host = container.HostConfig;
  const policy = host.RestartPolicy.Name || "no";
  return (
    <Facts
      rows={[
        ["State", <><State state={container.State.Status} /> {stateWords(container)}</>],
        ["Health", container.State.Health && <Health health={container.State.Health.Status} />],
        ["Last check said", container.State.Health?.Log?.[container.State.Health.Log.length - 1]?.Output.trim()],
        ["Why", container.State.Error],
        ["Image", container.Config.Image],
        ["Image id", <code>{shortId(container.Image)}</code>],
        ["Command", <code>{[container.Path, ...container.Args].join(" ")}</code>],
        ["Managed by", managerOf(container.Config.Labels ?? {}) || "nobody"],
        ["Restart policy", policy === "on-failure" && host.RestartPolicy.MaximumRetryCount ? `${policy}, ${host.RestartPolicy.MaximumRetryCount} times` : policy],
        ["Restarts", container.RestartCount || undefined],
        ["Made", clock(Date.parse(container.Created) / 1000)],
        ["Ports", Object.keys(container.NetworkSettings.Ports ?? {}).length ? ports(container) : undefined],
        ["Networks", Object.entries(container.NetworkSettings.Networks ?? {}).map(([name, at]) => <div>{[name, at.IPAddress, at.GlobalIPv6Address].filter(Boolean).join(", ")}</div>)],
        ["Data", container.Mounts.length ? container.Mounts.map((mount) => <div>{mount.Destination} ← {mount.Type === "volume" ? `volume ${mount.Name}` : mount.Source || mount.Type}{mount.RW ? "" : ", read only"}</div>) : undefined],
        ["Memory limit", host.Memory ? bytes(host.Memory) : undefined],
        ["CPUs", host.NanoCpus ? String(host.NanoCpus / 1e9) : undefined],
        ["Privileged", host.Privileged ? "yes: it may do whatever root may" : undefined],
        ["User", container.Config.User],
        ["Log driver", host.LogConfig?.Type],
        ["Environment", container.Config.Env?.length ? <details><summary>{countOf(container.Config.Env.length, "variable")}</summary><pre>{container.Config.Env.join("\n")}</pre></details> : undefined],
        ["Id", <code class="long">{container.Id}</code>],
      ]}
    />
  );
}

function Tabs(props: { at: Tab; set: (tab: Tab) => void }) {
  const move = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    const next = TABS[(TABS.indexOf(props.at) + step + TABS.length) % TABS.length]!;
    props.set(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="About this container" onKeyDown={move}>
      {TABS.map((tab) => (
        <button role="tab" id={`tab-${tab}`} aria-selected={props.at === tab} aria-controls="panel" tabIndex={props.at === tab ? 0 : -1} onClick={() => props.set(tab)}>
          {tab}
        </button>
      ))}
    </div>
  );
}

export function ContainerPage(props: { id: string }) {
  const path = `/containers/${encodeURIComponent(props.id)}`;
  const { data, problem, reload } = useData(
    () => call<ContainerDetails>(`${path}/json`),
    ["container", "network"],
    props.id,
    (event) => event.Type !== "container" || event.Actor.ID.startsWith(props.id) || event.Actor.Attributes.name === props.id,
  );
  const [tab, setTab] = useState<Tab>("Overview");
  const [leaving, setLeaving] = useState(false);
  return (
    <Page title={props.id} actions={data && <Steps path={`/containers/${data.Id}`} name={props.id} state={data.State.Status} canUnpause remove={() => setLeaving(true)} />}>
      <Await data={data} problem={problem}>
        {(container) => (
          <>
            <Tabs at={tab} set={setTab} />
            <section role="tabpanel" id="panel" aria-labelledby={`tab-${tab}`}>
                {tab === "Overview" && <Overview container={container} />}
                {tab === "Logs" && <Logs key={container.Id} id={container.Id} name={props.id} isTerminal={container.Config.Tty} startedAt={container.State.StartedAt} />}
                {tab === "Charts" && <Charts id={container.Id} runs={container.State.Running} />}
                {tab === "Terminal" && <Terminal key={container.Id} id={container.Id} runs={container.State.Running && !container.State.Paused} />}
            </section>
          </>
        )}
      </Await>
      {leaving && data && <Delete id={data.Id} name={props.id} close={() => setLeaving(false)} done={() => { location.hash = "#/containers"; reload(); }} />}
    </Page>
  );
}
