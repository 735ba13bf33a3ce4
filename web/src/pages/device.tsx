// SPDX-License-Identifier: Apache-2.0
// The machine: what it has, what is used of it, and what is in place for its networks.
import { call } from "../api";
import { Await, Facts, Page, lazy } from "../parts";
import type { Info } from "../types";
import { useData } from "../use";
import { bytes, countOf } from "../words";

const DeviceCharts = lazy(() => import("../device_charts").then((module) => module.DeviceCharts));

interface Firewall {
  Table: string;
  Sets: { Name: string; Purpose: string; Elements: string[] }[];
  Settings: string[];
  Opened: string[];
  Drops: { What: string; Manager: string; Lines: string[] }[];
}

interface DiskUse {
  LayersSize: number;
  Images: { Size: number }[] | null;
  Containers: { SizeRw?: number }[] | null;
  Volumes: { UsageData?: { Size: number } }[] | null;
}

function sum(numbers: (number | undefined)[]): number {
  return numbers.reduce((total: number, one) => total + Math.max(0, one ?? 0), 0);
}

function Machine(props: { info: Info }) {
  const { info } = props;
  return (
    <Facts
      rows={[
        ["Name", info.Name],
        ["kedge", info.ServerVersion],
        ["System", info.OperatingSystem],
        ["Kernel", `${info.KernelVersion}, ${info.Architecture}`],
        ["Processors", String(info.NCPU)],
        ["Memory", bytes(info.MemTotal)],
        ["Containers", `${info.Containers}, of which ${info.ContainersRunning} run`],
        ["Images", String(info.Images)],
        ["Runtime", info.DefaultRuntime],
        ["Control groups", `version ${info.CgroupVersion}`],
        ["Kept in", info.DockerRootDir],
        ["Warnings", info.Warnings?.length ? info.Warnings.map((text) => <div>{text}</div>) : undefined],
      ]}
    />
  );
}

function Disk(props: { use: DiskUse }) {
  const { use } = props;
  return (
    <Facts
      rows={[
        ["Images", `${bytes(use.LayersSize)} in ${countOf(use.Images?.length ?? 0, "image")}`],
        ["Containers' own files", bytes(sum((use.Containers ?? []).map((one) => one.SizeRw)))],
        ["Volumes", `${bytes(sum((use.Volumes ?? []).map((one) => one.UsageData?.Size)))} in ${countOf(use.Volumes?.length ?? 0, "volume")}`],
      ]}
    />
  );
}

function Rules(props: { firewall: Firewall }) {
  const { firewall } = props;
  const used = firewall.Sets.filter((set) => set.Elements.length > 0);
  return (
    <>
      {firewall.Drops.map((drop) => (
        <div class="problem" role="alert">
          <p>
            {drop.What}
            {drop.Manager && `; it is ${drop.Manager}'s`}
          </p>
          {drop.Lines.length > 0 && <pre>{drop.Lines.join("\n")}</pre>}
        </div>
      ))}
      {firewall.Drops.length === 0 && <p>Nothing on this machine drops what containers send or get.</p>}
      {used.length === 0 && <p>No port is published, and no network has a rule: kedge's table {firewall.Table} of the packet filter is empty.</p>}
      {used.map((set) => (
        <details open={set.Elements.length < 9}>
          <summary>
            {set.Purpose} <span class="quiet">({set.Elements.length})</span>
          </summary>
          <ul>
            {set.Elements.map((element) => (
              <li>{element}</li>
            ))}
          </ul>
        </details>
      ))}
      {firewall.Opened.length > 0 && (
        <>
          <p>Others' firewalls were told to let through:</p>
          <ul>
            {firewall.Opened.map((text) => (
              <li>{text}</li>
            ))}
          </ul>
        </>
      )}
      {firewall.Settings.length > 0 && (
        <>
          <p>Switches of the kernel:</p>
          <ul>
            {firewall.Settings.map((text) => (
              <li>{text}</li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

export function Device() {
  const info = useData(() => call<Info>("/info"), ["container", "image"]);
  const disk = useData(() => call<DiskUse>("/system/df"), ["image", "volume"]);
  const firewall = useData(() => call<Firewall>("/kedge/v1/system/firewall"), ["network"]);
  return (
    <Page title="Device">
      <DeviceCharts />
      <h2>Machine</h2>
      <Await data={info.data} problem={info.problem}>
        {(data) => <Machine info={data} />}
      </Await>
      <h2>Disk</h2>
      <Await data={disk.data} problem={disk.problem}>
        {(data) => <Disk use={data} />}
      </Await>
      <h2>Firewall</h2>
      <Await data={firewall.data} problem={firewall.problem}>
        {(data) => <Rules firewall={data} />}
      </Await>
    </Page>
  );
}
